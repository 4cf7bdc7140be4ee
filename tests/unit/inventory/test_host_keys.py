"""Host keys: what is known of a machine, what it shows, and what a person is told."""

from __future__ import annotations

import socket
import subprocess
from pathlib import Path
from typing import Any

import pytest

from espalier.inventory import host_keys
from espalier.inventory.host_keys import (
    Compared,
    HostKey,
    Stored,
    compare,
    parse,
    scan,
    stored,
)
from espalier.inventory.known_hosts import paths, ssh_arguments
from espalier.inventory.ssh_config import config_file
from espalier.inventory.unreachable import host_key_refusal, unreachable

ED25519 = "AAAAC3NzaC1lZDI1NTE5AAAAIKVaU/SlbiIGq7jf5HZNR00K5GjSj1AFFSVwVu4+j1Xu"
OTHER = "AAAAC3NzaC1lZDI1NTE5AAAAIKVaU/SlbiIGq7jf5HZNR00K5GjSj1AFFSVwVu4+j1Xx"
RSA = "AAAAB3NzaC1yc2EAAAADAQABAAAAgQ"
KEY = HostKey("ssh-ed25519", ED25519)
CHANGED = """\
Failed to connect to the host via ssh: @@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@
@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @
The fingerprint for the ED25519 key sent by the remote host is
SHA256:abc.
Please contact your system administrator.
Host key for 203.0.113.10 has changed and you have requested strict checking.
Host key verification failed.
"""
UNKNOWN = """\
No ED25519 host key is known for 203.0.113.10 and you have requested strict checking.
Host key verification failed.
"""


def test_fingerprint_is_that_of_ssh_keygen(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text(f"203.0.113.10 ssh-ed25519 {ED25519}\n")
    listed = subprocess.run(["ssh-keygen", "-lf", file], capture_output=True, text=True).stdout
    assert listed.split()[1] == KEY.fingerprint
    assert str(KEY) == "SHA256:5SXnK1UIzqt9mB9Xo8afHilEhbOFTuzDhFTGDQykHso (ED25519)"


def test_best_key_comes_first_and_certificates_are_none() -> None:
    certificate = f"@cert-authority h ssh-ed25519 {OTHER}"
    comments = f"# Host h found: line 1\n#h ssh-ed25519 {OTHER}\n"
    text = f"{comments}h ssh-rsa {RSA}\n{certificate}\nh ssh-ed25519 {ED25519} x"
    assert parse(text) == [KEY, HostKey("ssh-rsa", RSA)]


def test_a_hashed_name_is_found(tmp_path: Path) -> None:
    file = tmp_path / "known_hosts"
    file.write_text(f"[203.0.113.10]:2222 ssh-ed25519 {ED25519}\n")
    subprocess.run(["ssh-keygen", "-H", "-f", file], capture_output=True, check=True)
    assert "203.0.113.10" not in file.read_text()
    assert stored([file], "[203.0.113.10]:2222") == Stored(frozenset({KEY}))
    assert stored([file], "203.0.113.10") == Stored()
    assert stored([tmp_path / "none"], "203.0.113.10") == Stored()


def test_markers_are_told_apart(tmp_path: Path) -> None:
    file = tmp_path / "known_hosts"
    other = HostKey("ssh-ed25519", OTHER)
    file.write_text(f"@revoked * ssh-rsa {RSA}\n@cert-authority *.a.example ssh-ed25519 {OTHER}\n")
    rsa = frozenset({HostKey("ssh-rsa", RSA)})
    assert stored([file], "h.a.example") == Stored(frozenset(), rsa, True)
    assert stored([file], "h.b.example") == Stored(frozenset(), rsa, False)
    assert parse(file.read_text(), "@cert-authority") == [other]
    assert parse(file.read_text()) == []


def test_revoked_key_is_never_one_that_matches() -> None:
    rsa = HostKey("ssh-rsa", RSA)
    one = Compared("h", (), (KEY, rsa), frozenset(), revoked=frozenset({KEY}))
    assert (one.refused, one.is_unknown) == (KEY, False)
    # ssh asks for the kind that it knows.
    one = Compared("h", (), (KEY, rsa), frozenset({rsa}), revoked=frozenset({KEY}))
    assert (one.refused, one.matching) == (None, rsa)


@pytest.mark.parametrize(
    ("line", "matching", "is_unknown"),
    [
        (f"[127.0.0.1]:2222 ssh-ed25519 {ED25519}", KEY, False),
        # As ssh does, where there is no line with the port.
        (f"127.0.0.1 ssh-ed25519 {ED25519}", KEY, False),
        (f"127.0.0.1 ssh-ed25519 {OTHER}", None, True),
        (f"[127.0.0.1]:2222 ssh-ed25519 {OTHER}", None, False),
        (f"* ssh-ed25519 {ED25519}\n@revoked * ssh-ed25519 {ED25519}", None, False),
        # No certificate is shown, as nobody answers.
        (f"@cert-authority * ssh-ed25519 {ED25519}", None, True),
    ],
)
def test_lines_count_as_they_do_for_ssh(
    tmp_path: Path, line: str, matching: HostKey | None, is_unknown: bool
) -> None:
    file = tmp_path / "known_hosts"
    file.write_text(f"{line}\n")
    of = {"ansible_host": "127.0.0.1", "ansible_port": 2222}
    of["ansible_ssh_extra_args"] = ssh_arguments(file)
    with config_file({"vps1": of}) as config, pytest.MonkeyPatch.context() as patch:
        patch.setattr(host_keys, "scan", lambda host, port: [KEY])
        found = compare(config, "127.0.0.1", of)
    assert (found.matching, found.is_unknown) == (matching, is_unknown)


SIGNED = f"""\
debug1: Server host certificate: ssh-ed25519-cert-v01@openssh.com {KEY.fingerprint}, serial 0 ID "x"
debug1: Host '203.0.113.10' is known and matches the ED25519-CERT host certificate.
"""


@pytest.mark.parametrize(
    ("words", "matching"),
    [
        (SIGNED, KEY),
        (SIGNED.splitlines()[0], None),  # shown, and by an authority that is not known
        (SIGNED.replace(KEY.fingerprint, "SHA256:x"), None),
        ("debug1: Server host key: ssh-ed25519 x", None),
    ],
)
def test_key_is_known_once_ssh_has_accepted_its_certificate(
    tmp_path: Path, words: str, matching: HostKey | None
) -> None:
    file = tmp_path / "known_hosts"
    file.write_text(f"@cert-authority * ssh-rsa {RSA}\n")
    of = {"ansible_host": "203.0.113.10", "ansible_ssh_extra_args": ssh_arguments(file)}
    with config_file({"vps1": of}) as config, pytest.MonkeyPatch.context() as patch:
        patch.setattr(host_keys, "scan", lambda host, port: [KEY])
        patch.setattr(host_keys, "_greet", lambda *given: words)
        found = compare(config, "203.0.113.10", of)
    assert (found.matching, found.is_unknown) == (matching, matching is None)


def test_name_of_a_person_s_own_ssh_configuration_is_resolved(tmp_path: Path) -> None:
    personal = tmp_path / "config"
    personal.write_text("Host shop\n  HostName 203.0.113.10\n  Port 2222\n")
    of = {"ansible_host": "shop", "ansible_ssh_common_args": f"-F {personal}"}
    with config_file({"vps1": of}) as config, pytest.MonkeyPatch.context() as patch:
        patch.setattr(host_keys, "scan", lambda host, port: [KEY] if port == 2222 else [])
        found = compare(config, "shop", of)
    assert (found.address, found.name) == ("203.0.113.10", "[203.0.113.10]:2222")
    assert found.shown == (KEY,)


@pytest.mark.parametrize(
    ("shown", "known", "matching", "changed", "is_unknown"),
    [
        ([KEY], [KEY], KEY, None, False),
        ([KEY], [], None, None, True),
        ([HostKey("ssh-ed25519", OTHER)], [KEY], None, HostKey("ssh-ed25519", OTHER), False),
        # One that matches is enough: ssh asks for the kinds that it knows.
        (
            [KEY, HostKey("ssh-rsa", RSA)],
            [HostKey("ssh-rsa", RSA)],
            HostKey("ssh-rsa", RSA),
            None,
            False,
        ),
        ([], [KEY], None, None, False),
    ],
)
def test_keys_are_compared_by_kind(
    shown: list[HostKey],
    known: list[HostKey],
    matching: HostKey | None,
    changed: HostKey | None,
    is_unknown: bool,
) -> None:
    one = Compared("h", (), tuple(shown), frozenset(known))
    assert (one.matching, one.changed, one.is_unknown) == (matching, changed, is_unknown)


def test_no_answer_is_no_key() -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        assert scan("127.0.0.1", nobody.getsockname()[1]) == []


def test_path_with_a_space_reaches_ssh_whole(tmp_path: Path) -> None:
    file = tmp_path / "my shop 100%" / "known_hosts"
    file.parent.mkdir()
    file.write_text(f"203.0.113.10 ssh-ed25519 {ED25519}\n")
    variables = {"ansible_host": "203.0.113.10", "ansible_ssh_extra_args": ssh_arguments(file)}
    with config_file({"vps1": variables}) as config, pytest.MonkeyPatch.context() as patch:
        patch.setattr(host_keys, "scan", lambda host, port: [KEY])
        found = compare(config, "203.0.113.10", variables)
        listed = subprocess.run(
            ["ssh", "-G", "-F", config, "203.0.113.10"], capture_output=True, text=True
        )
    assert f"userknownhostsfile {file}\n" in listed.stdout
    assert "stricthostkeychecking true\n" in listed.stdout
    assert found.files[0] == str(file)
    assert found.name == "203.0.113.10"
    assert found.matching == KEY
    assert found.is_checked and found.direct


def test_name_has_the_port_and_nobody_s_word_is_taken_where_ssh_takes_none() -> None:
    off = {"ansible_host": "203.0.113.10", "ansible_port": 2222, "ansible_host_key_checking": False}
    with config_file({"vps1": off}) as config, pytest.MonkeyPatch.context() as patch:
        patch.setattr(host_keys, "scan", lambda host, port: [KEY] if port == 2222 else [])
        found = compare(config, "203.0.113.10", off)
    assert found.name == "[203.0.113.10]:2222"
    assert found.lines == [f"[203.0.113.10]:2222 ssh-ed25519 {ED25519}"]
    assert not found.is_checked


def test_key_of_a_known_kind_is_asked_for_behind_a_bastion(tmp_path: Path) -> None:
    file = tmp_path / "known_hosts"
    file.write_text(f"203.0.113.10 ssh-rsa {RSA}\n")
    variables = {
        "ansible_host": "203.0.113.10",
        "ansible_ssh_common_args": "-J bastion",
        "ansible_ssh_extra_args": ssh_arguments(file),
    }
    real, asked = subprocess.run, []

    def run(argv: list[str], **more: Any) -> Any:
        if argv[0] != "ssh" or "-G" in argv:
            return real(argv, **more)
        listed = real([*argv[:-1], "-G"], capture_output=True, text=True)
        asked.extend(listed.stdout.splitlines())
        return listed

    with config_file({"vps1": variables}) as config, pytest.MonkeyPatch.context() as patch:
        patch.setattr(host_keys.subprocess, "run", run)
        found = compare(config, "203.0.113.10", variables)
    (algorithms,) = (line for line in asked if line.startswith("hostkeyalgorithms "))
    assert algorithms.startswith("hostkeyalgorithms rsa-sha2-512,rsa-sha2-256,")
    assert "ssh-ed25519" in algorithms, "another machine's key is to be seen, too"
    assert not found.direct


def test_files_of_ssh_s_option() -> None:
    assert paths('"/a b/c%%d" ~/e') == ["/a b/c%d", "~/e"]


def test_changed_key_is_told_with_its_fingerprint() -> None:
    sentence = host_key_refusal("vps1", CHANGED, Compared("h", ("/k",), (KEY,), frozenset()))
    assert sentence == (
        "vps1 shows another SSH host key than the one that is known of it, SHA256:abc (ED25519). "
        "If the machine was installed anew, remove the known one (`ssh-keygen -R 'h' -f '/k'`) and "
        "run `espalier check`; if not, somebody may stand between you and it."
    )
    # pyinfra's words have no fingerprint.
    words = "SSH error (Host key for server 'h' does not match: got 'AAAA', expected 'BBBB')"
    sentence = host_key_refusal("vps1", words, Compared("h", ("/k",), (KEY,), frozenset()))
    assert f"known of it, {KEY}. If" in sentence


@pytest.mark.parametrize(
    "words",
    [
        UNKNOWN,
        "StrictPolicy: No host key for h found in known_hosts",
        "Host key verification failed.",
    ],
)
def test_unknown_key_is_told_with_its_fingerprint(words: str) -> None:
    sentence = host_key_refusal("vps1", words, Compared("h", ("/k",), (KEY,), frozenset()))
    assert sentence == (
        f"vps1 shows an SSH host key that /k does not have, {KEY}. `espalier check` shows it, and "
        "keeps it when you have compared it with the one in the provider's console."
    )
    assert "known_hosts beside hosts.yml does not have. `" in host_key_refusal("vps1", words)


def test_other_errors_are_about_the_address() -> None:
    assert host_key_refusal("vps1", "Permission denied (publickey).") == ""
    variables = {"ansible_host": "203.0.113.10", "ansible_port": 2222, "ansible_user": "deploy"}
    words = "Failed to connect to the host via ssh: ssh: connect to host 203.0.113.10: timed out\n"
    assert unreachable("vps1", variables, words) == (
        "vps1 cannot be reached at 203.0.113.10: connect to host 203.0.113.10: timed out. Check "
        "`ansible_host` and `ansible_user` in hosts.yml, that the machine is on, and that "
        "`ssh deploy@203.0.113.10 -p 2222` lets you in."
    )
