"""espalier check: what it puts together, and its exit status. No machine is asked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from espalier.cli import check, command
from espalier.cli.main import main
from espalier.inventory.host_keys import Compared, HostKey
from espalier.inventory.site import Site, SiteError
from espalier.progress.playbook import Playbook
from espalier.progress.results import Results
from espalier.readiness.findings import Finding, failed, ok

KEY, OTHER = HostKey("ssh-ed25519", "AAAA"), HostKey("ssh-ed25519", "BBBB")
TOPOLOGY = {
    "tiers": [],
    "services": {"nginx": ["vps1"], "django": ["vps1"]},
    "machines": {"vps1": {"public_address": "shop"}},  # a name of ~/.ssh/config
}


@pytest.fixture(autouse=True)
def inventory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An inventory of one machine that is ready, and known."""
    (tmp_path / "topology.yml").write_text("plugin: topology\n")
    site = Site(tmp_path, "shop", TOPOLOGY, {"domains": ["a.example"]}, {}, {"vps1": {}})
    monkeypatch.setattr(command, "read", lambda *given, **more: site)
    monkeypatch.setattr(
        check.ports, "ask", lambda hosts: {(h, p): "closed" for h in hosts for p in (80, 443)}
    )
    monkeypatch.setattr(
        check.names, "domains", lambda names, hosts: [ok("domain", " ".join([*names, *hosts]))]
    )
    monkeypatch.setattr(check, "judge", lambda *given: [ok("ssh", "logs in", "vps1")])
    runs(monkeypatch)
    shows(monkeypatch, tmp_path, KEY)
    return tmp_path


def shows(monkeypatch: pytest.MonkeyPatch, inventory: Path, *known: HostKey) -> None:
    file = str(inventory / "known_hosts")
    one = Compared("h", (file,), (KEY,), frozenset(known), address="203.0.113.10")
    monkeypatch.setattr(check.keys, "compare_all", lambda variables: {"vps1": one})


def runs(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """How the playbook is run."""
    found: list[dict[str, Any]] = []

    def run(playbook: Playbook, **how: Any) -> Results:
        found.append(how | {"arguments": playbook.arguments})
        return Results()

    monkeypatch.setattr(check.playbook, "run", run)
    return found


def run(inventory: Path, *arguments: str, answer: str = "") -> Result:
    return CliRunner().invoke(main, ["check", "-i", str(inventory), *arguments], input=answer)


def test_ready(inventory: Path) -> None:
    done = run(inventory)
    assert done.exit_code == 0, done.output
    name = inventory.name
    assert done.stdout.splitlines() == [
        f"site  inventory  ok  {name}: vps1; tiers: none",
        "site  secrets    ok  none yet: the first run makes them in .secrets/",
        "site  domain     ok  a.example 203.0.113.10",
        f"vps1  host key   ok  {KEY}, as in {inventory}/known_hosts",
        "vps1  ssh        ok  logs in",
        "vps1  reach      ok  ports 80 and 443: can be reached, nothing listens yet",
        f"Ready: `espalier site -i {inventory}` makes the site.",
    ]


def test_json_has_the_same(inventory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = run(inventory, "--json")
    assert done.exit_code == 0
    told = json.loads(done.stdout)
    assert told["ok"] is True
    assert [one["check"] for one in told["findings"]] == [
        "inventory",
        "secrets",
        "domain",
        "host key",
        "ssh",
        "reach",
    ]
    monkeypatch.setattr(check, "judge", lambda *given: [failed("disk", "is full", "vps1")])
    done = run(inventory, "--json")
    assert done.exit_code == 1
    assert json.loads(done.stdout)["ok"] is False


def test_inventory_that_is_refused_is_a_finding(
    inventory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*given: Any, **more: Any) -> Site:
        raise SiteError("`tiers` in hosts.yml has no such tier.", 2)

    monkeypatch.setattr(command, "read", refuse)
    done = run(inventory)
    assert done.exit_code == 1
    assert done.stdout.splitlines() == [
        "site  inventory  FAILED  `tiers` in hosts.yml has no such tier.",
        f"Not ready. Mend what is FAILED, and type `espalier check -i {inventory}` again.",
    ]


def test_wrong_use_has_the_status_2(tmp_path: Path, inventory: Path) -> None:
    assert run(inventory, "-e", "production").exit_code == 2


def test_unknown_key_is_refused_once_and_nobody_is_asked_by_ssh(
    inventory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shows(monkeypatch, inventory)
    how = runs(monkeypatch)
    told: list[Finding] = [failed("ssh", "the key is not known", "vps1")]
    monkeypatch.setattr(check, "judge", lambda *given: told)
    done = run(inventory)
    assert done.exit_code == 1
    assert "FAILED  vps1 shows an SSH host key that" in done.stdout
    assert "the key is not known" not in done.stdout
    assert (how[0]["may_ask"], how[0]["share"]) == (False, False)
    assert not (inventory / "known_hosts").exists()


def test_unknown_key_is_kept_on_a_word(inventory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shows(monkeypatch, inventory)
    how = runs(monkeypatch)
    done = run(inventory, "--keep-host-keys")
    assert done.exit_code == 0, done.output
    assert f"{KEY}, kept now" in done.stdout
    assert (inventory / "known_hosts").read_text() == "h ssh-ed25519 AAAA\n"
    assert (how[0]["may_ask"], how[0]["share"]) == (False, True)


@pytest.mark.parametrize(("answer", "status"), [("y\n", 0), ("n\n", 1)])
def test_unknown_key_is_shown_and_asked_for_on_a_terminal(
    inventory: Path, monkeypatch: pytest.MonkeyPatch, answer: str, status: int
) -> None:
    shows(monkeypatch, inventory)
    monkeypatch.setattr(check, "is_terminal", lambda: True)
    done = run(inventory, answer=answer)
    assert done.exit_code == status
    assert f"vps1 (h) shows this SSH host key:\n  {KEY}\n" in done.stderr
    assert (inventory / "known_hosts").exists() is (status == 0)


def test_other_key_is_never_kept(inventory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shows(monkeypatch, inventory, OTHER)
    done = run(inventory, "--keep-host-keys")
    assert done.exit_code == 1
    assert "shows another SSH host key" in done.stdout
    assert not (inventory / "known_hosts").exists()


def test_secrets_are_made_by_no_check(inventory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    how = runs(monkeypatch)
    run(inventory)
    elsewhere = json.loads(how[0]["arguments"][-1])["secrets_directory"]
    assert not Path(elsewhere).is_relative_to(inventory)
    (inventory / ".secrets").mkdir()
    (inventory / ".secrets/secret_key").write_text("x")
    run(inventory)
    assert "--extra-vars" not in how[1]["arguments"]
