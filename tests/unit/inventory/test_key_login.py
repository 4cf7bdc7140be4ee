"""What a try to log in by a key means, before that is all that lets people in."""

from __future__ import annotations

from typing import Any

from espalier.inventory.key_login import Found, flags, notes, offered, port_note, prove

OWN = {"kexalgorithms": "old,new", "ciphers": "aes"}
OPTIONS = {"KexAlgorithms": "newest,new", "Ciphers": "aes"}


def test_connection_is_of_its_own_and_knows_no_password() -> None:
    given = flags({"Port": 2222})
    assert given[-2:] == ["-o", "Port=2222"]
    for one in ("ControlPath=none", "BatchMode=yes", "PreferredAuthentications=publickey"):
        assert one in given


def test_only_what_ssh_offers_by_itself_is_tried() -> None:
    tried: list[dict[str, Any]] = []
    assert offered(OPTIONS, OWN) == {"KexAlgorithms": "new", "Ciphers": "aes"}
    assert prove(lambda options: tried.append(options) or "", OPTIONS, OWN) == Found(True, True)
    assert tried == [{"KexAlgorithms": "new", "Ciphers": "aes"}]


def test_old_ssh_keeps_its_algorithms_and_loses_passwords() -> None:
    tried: list[dict[str, Any]] = []
    own = OWN | {"kexalgorithms": "old"}
    found = prove(lambda options: tried.append(options) or "", OPTIONS, own)
    assert found == Found(True, False, "it offers none of the KexAlgorithms newest,new")
    assert tried == [{}]
    (note,) = notes("vps1", found, wants_keys=True)
    assert note.startswith("vps1: SSH keeps Debian's own algorithms")
    assert "`ssh: {old_clients: true}`" in note


def test_without_a_key_all_stays() -> None:
    found = prove(lambda options: "Permission denied (password).", OPTIONS, OWN)
    assert found == Found(False, False, "Permission denied (password).")
    (note,) = notes("vps1", found, wants_keys=True)
    assert note.startswith("vps1: SSH still takes passwords, as no key of yours lets you in")
    assert "`ssh-copy-id`" in note and "`ssh: {passwords: true}`" in note
    assert notes("vps1", Found(True, True), wants_keys=True) == []


def test_nothing_to_harden_needs_one_try() -> None:
    tried: list[dict[str, Any]] = []
    assert prove(lambda options: tried.append(options) or "", {}, OWN) == Found(True, True)
    assert tried == [{}]


def test_new_port_is_to_be_written_once_it_answers() -> None:
    assert "Write `ansible_port: 2222` in hosts.yml" in port_note("vps1", 2222, 22, "")
    closed = port_note("vps1", 2222, 22, "Connection timed out")
    assert "(Connection timed out)" in closed and "Write" not in closed
