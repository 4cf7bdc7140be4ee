"""What the control machine sees: names, ports and host keys."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest

from espalier.cli.options import NONE_GIVEN
from espalier.inventory import secret_files
from espalier.inventory.hand_over import handed_over
from espalier.inventory.host_keys import Compared, HostKey
from espalier.inventory.read import Passwords
from espalier.readiness import keys, names, ports, secrets
from espalier.readiness.findings import note, ok

KEY, OTHER = HostKey("ssh-ed25519", "AAAA"), HostKey("ssh-ed25519", "BBBB")


@pytest.mark.parametrize(
    ("found", "wanted", "finding"),
    [
        ({"203.0.113.10"}, {"203.0.113.10"}, ok("domain", "a.example leads to 203.0.113.10")),
        (
            (),
            {"203.0.113.10"},
            note(
                "domain",
                "a.example does not resolve yet: where you manage its zone, add an A record with "
                "203.0.113.10",
            ),
        ),
        (
            (),
            {"2001:db8::1"},
            note(
                "domain",
                "a.example does not resolve yet: where you manage its zone, add an AAAA record "
                "with 2001:db8::1",
            ),
        ),
        (
            {"198.51.100.1"},
            {"203.0.113.10"},
            note(
                "domain",
                "a.example leads to 198.51.100.1, and the site is at 203.0.113.10: change the "
                "record, unless a proxy in front of the site is meant",
            ),
        ),
        # Behind a bastion the public address is not known.
        ({"198.51.100.1"}, (), ok("domain", "a.example leads to 198.51.100.1")),
    ],
)
def test_where_a_domain_leads_to(found: Any, wanted: Any, finding: Any) -> None:
    assert names.domain("a.example", found, wanted) == finding


def test_names_are_asked_and_addresses_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    known = {"a.example": "203.0.113.10", "vps.example": "203.0.113.10"}

    def getaddrinfo(name: str, port: None) -> list[Any]:
        if name not in known:
            raise socket.gaierror
        return [(0, 0, 0, "", (known[name], 0))]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    asked = ["a.example", "b.example", "203.0.113.10", "*.a.example"]
    found = names.domains(asked, ["vps.example"])
    assert [(one.level, one.text.split()[0]) for one in found] == [
        ("ok", "a.example"),
        ("note", "b.example"),
    ]
    assert names.domains(["203.0.113.10"], ["vps.example"]) == []


def test_resolver_that_does_not_answer_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    answer, begun = threading.Event(), set(threading.enumerate())
    monkeypatch.setattr(names, "TIMEOUT", 0.1)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *given: answer.wait(60) and [])
    assert names.resolve(["a.example"]) == {"a.example": frozenset()}
    left = set(threading.enumerate()) - begun
    assert left and all(thread.daemon for thread in left), "the command ends without them"
    answer.set()


def test_ports_answer_or_are_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    closed = socket.create_server(("127.0.0.1", 0))
    pair = (listener.getsockname()[1], closed.getsockname()[1])
    closed.close()
    monkeypatch.setattr(ports, "PORTS", pair)
    assert ports.ask(["127.0.0.1", "127.0.0.1"]) == {
        ("127.0.0.1", pair[0]): "open",
        ("127.0.0.1", pair[1]): "closed",
    }
    listener.close()


@pytest.mark.parametrize(
    ("answers", "listening", "findings"),
    [
        (
            {80: "closed", 443: "closed"},
            [],
            [ok("reach", "ports 80 and 443: can be reached, nothing listens yet", "vps1")],
        ),
        (
            {80: "open", 443: "open"},
            ["80", "443"],
            [ok("reach", "ports 80 and 443: answers", "vps1")],
        ),
        (
            {80: "open", 443: "closed"},
            ["80", "443"],
            [
                ok("reach", "port 80: answers", "vps1"),
                note(
                    "reach",
                    "port 443: refused from here, though something listens: a firewall refuses it",
                    "vps1",
                ),
            ],
        ),
        (
            {80: "open"},
            [],
            [
                note(
                    "reach",
                    "port 80: something answers from here that is not this machine: a proxy before "
                    "it?",
                    "vps1",
                )
            ],
        ),
    ],
)
def test_what_the_answers_of_ports_mean(answers: Any, listening: Any, findings: Any) -> None:
    assert list(ports.reach("vps1", answers, listening)) == findings


def test_silent_port_is_a_firewall_s() -> None:
    (finding,) = ports.reach("vps1", {80: "silent", 443: "silent"}, None)
    assert finding.level == "note"
    assert finding.text.startswith("ports 80 and 443: no answer from here: a firewall")


def shown(*known: HostKey, file: Path = Path("/k"), **more: Any) -> Compared:
    """A machine that shows KEY."""
    return Compared("203.0.113.10", (str(file),), (KEY,), frozenset(known), **more)


def test_keys_in_findings() -> None:
    assert keys.finding("vps1", shown(KEY)) == ok("host key", f"{KEY}, as in /k", "vps1")
    assert keys.finding("vps1", shown(), ["vps1"]) == ok("host key", f"{KEY}, kept now", "vps1")
    unknown, changed = keys.finding("vps1", shown()), keys.finding("vps1", shown(OTHER))
    assert unknown and unknown.is_failed and f"/k does not have, {KEY}" in unknown.text
    assert changed and changed.is_failed and "another SSH host key" in changed.text
    revoked = keys.finding("vps1", shown(revoked=frozenset({KEY})))
    assert revoked and revoked.is_failed and f"/k marks as revoked, {KEY}" in revoked.text
    off = keys.finding("vps1", shown(is_checked=False))
    assert off and off.level == "note" and "not compared" in off.text
    assert keys.finding("vps1", Compared("h", (), (), frozenset())) is None


def test_only_unknown_keys_are_kept(tmp_path: Path) -> None:
    file = tmp_path / "known_hosts"
    silent = Compared("h", (), (), frozenset())
    # The file is new: all belong into it, as ssh looks into no other from then on.
    new, old = shown(), shown(KEY)
    assert keys.to_keep({"a": new, "b": old}, tmp_path) == {"a": new, "b": old}
    assert keys.to_keep({"a": new, "b": silent}, tmp_path) == {}
    assert keys.to_keep({"b": old}, tmp_path) == {}
    assert keys.to_keep({"a": new, "b": shown(OTHER)}, tmp_path) == {}
    assert keys.to_keep({"a": shown(is_checked=False)}, tmp_path) == {}
    assert keys.to_keep({"a": new, "b": shown(revoked=frozenset({KEY}))}, tmp_path) == {}
    file.write_text("x ssh-rsa CCCC")
    new = shown(file=file)
    assert keys.to_keep({"a": new, "b": shown(KEY, file=file), "c": silent}, tmp_path) == {"a": new}
    # ssh looks elsewhere: a line here would change nothing.
    assert keys.to_keep({"a": shown()}, tmp_path) == {}
    keys.keep({"a": new}, tmp_path)
    assert file.read_text() == "x ssh-rsa CCCC\n203.0.113.10 ssh-ed25519 AAAA\n"


def test_typed_passwords_are_printed_by_programs_and_stand_in_no_file() -> None:
    options = {**NONE_GIVEN, "ask_become_pass": True, "vault_id": ("a@/file", "b@prompt", "prompt")}
    typed = Passwords(vault={"b": "s'1"}, vault_ids=("a@/file",), become='s"2 $x')
    with handed_over(options, typed) as (changed, variables):
        assert not changed["ask_become_pass"]
        program = changed["become_password_file"]
        told = subprocess.run([program], capture_output=True, text=True, env=os.environ | variables)
        assert told.stdout == 's"2 $x\n'
        assert 's"2' not in Path(program).read_text()
        assert Path(program).stat().st_mode & 0o777 == 0o700
        stored, other = changed["vault_id"]
        assert stored == "a@/file"
        told = subprocess.run(
            [other.removeprefix("b@")], capture_output=True, text=True, env=os.environ | variables
        )
        assert told.stdout == "s'1\n"
        assert "s'1" not in json.dumps(changed)
    assert not Path(program).exists()


def test_secrets_of_a_site_that_is_made_have_to_be_here(tmp_path: Path) -> None:
    assert not secrets.are_here(tmp_path)
    (tmp_path / ".secrets").mkdir()
    (tmp_path / ".secrets/.gitignore").write_text("*\n")
    assert not secrets.are_here(tmp_path)
    (tmp_path / ".secrets/secret_key").write_text("x")
    assert secrets.are_here(tmp_path)
    for here, in_vault, is_made in [
        (True, False, True),
        (False, True, True),
        (False, False, False),
    ]:
        assert secrets.finding(here, in_vault, is_made).level == "ok"
    assert secrets.finding(False, False, True).is_failed


def test_what_git_must_not_have_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def told(*files: str) -> list[str]:
        given = Passwords(vault_ids=("a@vault-a",), vault_password_files=files)
        return [one.text.partition(":")[0] for one in secrets.in_git(inventory, given)]

    monkeypatch.chdir(tmp_path)
    inventory = tmp_path / "deploy"
    (inventory / ".secrets").mkdir(parents=True)
    (inventory / ".secrets/secret_key").write_text("x")
    for name in ("vault-a", "vault-b", "program"):
        (tmp_path / name).write_text("x")
    (tmp_path / "program").chmod(0o755)
    assert told("vault-b") == [], "there is no repository"
    subprocess.run(["git", "init", "-q"], check=True)
    seen = [f"git has files of {inventory / '.secrets'}"]
    vault = "git has {}, the vault's password, or would add it"
    assert told("program") == [*seen, vault.format("vault-a")]
    monkeypatch.setenv("ANSIBLE_VAULT_PASSWORD_FILE", str(tmp_path / "vault-b"))
    assert vault.format(tmp_path / "vault-b") in told()
    secret_files.private_directory(inventory / ".secrets")
    (tmp_path / ".gitignore").write_text("vault-?\n")
    assert told() == []
    # What was committed stays there, whatever is ignored since.
    subprocess.run(["git", "add", "-f", "deploy/.secrets/secret_key"], check=True)
    assert told() == seen
