"""espalier verify, as somebody types it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner

from espalier.audit.rows import Row
from espalier.cli import command, verify
from espalier.cli.main import main
from espalier.inventory.site import Site
from espalier.paths import KIT


@pytest.fixture
def variables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """How a machine is reached."""
    found: dict[str, str] = {}
    site = Site(tmp_path, "shop", {}, {}, {}, {"vps1": found})
    monkeypatch.setattr(command, "read", lambda *given, **more: site)
    return found


@pytest.mark.parametrize("option", ["--ask-become-pass", "--ask-pass", "--extra-vars"])
def test_what_testinfra_does_not_take_is_not_offered(option: str) -> None:
    assert option not in CliRunner().invoke(main, ["verify", "--help"]).output
    assert option in CliRunner().invoke(main, ["status", "--help"]).output


@pytest.mark.parametrize(("user", "become"), [("deploy", "true"), ("root", None), ("", None)])
def test_machines_are_looked_at_as_root(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], user: str, become: str | None
) -> None:
    found: dict[str, str] = {}

    def run(argv: list[str], env: dict[str, str], **more: Any) -> Any:
        found.update(env)
        return SimpleNamespace(returncode=0)

    monkeypatch.delenv("ANSIBLE_BECOME", raising=False)
    monkeypatch.setattr(verify, "subprocess", SimpleNamespace(run=run))
    variables |= {"ansible_user": user} if user else {}
    done = CliRunner().invoke(main, ["verify", "-i", str(KIT / "inventories/example")])
    assert (done.exit_code, found.get("ANSIBLE_BECOME")) == (0, become)


def test_passwords_of_vaults_reach_ansible(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]
) -> None:
    found: dict[str, str] = {}

    def run(argv: list[str], env: dict[str, str], **more: Any) -> Any:
        found.update(env)
        files = env["ANSIBLE_VAULT_IDENTITY_LIST"].split(",")
        typed = subprocess.check_output([files[-1].partition("@")[2]], env=env, text=True)
        found["typed"] = typed.strip()
        return SimpleNamespace(returncode=0)

    fake = SimpleNamespace(run=run)
    monkeypatch.setattr(verify, "subprocess", fake)
    monkeypatch.chdir(tmp_path)
    words = ["verify", "-i", str(KIT / "inventories/example"), "--vault-password-file", "one"]
    words += ["--vault-id", "prod@two", "-J"]
    done = CliRunner().invoke(main, words, input="grafting wax\n")
    assert done.exit_code == 0, done.output
    files = found["ANSIBLE_VAULT_IDENTITY_LIST"].split(",")
    assert files[:2] == [f"{tmp_path}/one", f"prod@{tmp_path}/two"]
    assert found["typed"] == "grafting wax"


@pytest.mark.usefixtures("variables")
def test_audit_fails_where_something_is_not_waived(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [Row("tls", "vps1", "", "compliant", "Mozilla intermediate")]
    monkeypatch.setattr(verify, "audit", lambda site: rows)
    typed = ["verify", "--security", "-i", str(KIT / "inventories/example")]
    done = CliRunner().invoke(main, typed)
    assert done.exit_code == 0
    assert "tls    vps1     compliant  Mozilla intermediate  ok" in done.output
    rows.append(Row("ports", "vps1", "from db1, IPv4", "22, 7007", "22", ("7007",)))
    done = CliRunner().invoke(main, typed)
    assert (done.exit_code, done.output.splitlines()[-1].endswith("FAILED: 7007")) == (1, True)
    done = CliRunner().invoke(main, [*typed, "--json"])
    assert (done.exit_code, json.loads(done.stdout)["ok"]) == (1, False)
    refused = CliRunner().invoke(main, ["verify", "--json", *typed[2:]])
    assert (refused.exit_code, "--json is for --security" in refused.output) == (2, True)
