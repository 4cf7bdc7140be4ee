"""The programs of the audit, on this machine: they need no other file of the kit."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from espalier_machine.audit import look, scan

PROGRAMS = Path(scan.__file__).parent


@pytest.fixture
def listening() -> socket.socket:
    return socket.create_server(("127.0.0.1", 0))


def test_scan_tells_open_from_closed(listening: socket.socket) -> None:
    port = listening.getsockname()[1]
    listening_too = socket.create_server(("127.0.0.1", 0))
    other = listening_too.getsockname()[1]
    listening_too.close()
    found = scan.scan(("127.0.0.1", 0), socket.AF_INET, [port, other])
    assert found == {"open": [port], "closed": 1, "filtered": 0}


def test_port_that_is_open_once_only_is_not_open(
    listening: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, port = scan.scan, listening.getsockname()[1]
    listening.close()
    answers = iter([{"open": [port], "closed": 0, "filtered": 65534}])
    monkeypatch.setattr(scan, "scan", lambda *given: next(answers, None) or real(*given))
    target = {"machine": "here", "address": "127.0.0.1", "ip6": [], "link_local": []}
    (answer,) = scan.scan_machine(target)
    assert (answer["open"], answer["filtered"]) == ([], 65535)


def test_all_ports_are_scanned(listening: socket.socket) -> None:
    port = listening.getsockname()[1]
    target = {"machine": "here", "address": "127.0.0.1", "ip6": [], "link_local": []}
    # As it is sent to a machine: -I, so that nothing is imported from elsewhere.
    source = (PROGRAMS / "scan.py").read_text().replace("RATE = 5000", "RATE = 500_000")
    argv = [sys.executable, "-I", "-c", source, json.dumps([target])]
    (answer,) = json.loads(subprocess.run(argv, capture_output=True, check=True).stdout)
    assert port in answer["open"]
    assert (answer["machine"], answer["source"]) == ("here", "127.0.0.1")
    assert len(answer["open"]) + answer["closed"] + answer["filtered"] == 65535


@pytest.mark.parametrize(
    ("text", "is_secret"),
    [
        ("-----BEGIN PRIVATE KEY-----\n", True),
        ("ESPALIER_DATABASE_URL=postgresql://shop:nCkWz7YbFq2x@10.0.0.2/shop\n", True),
        ("requirepass nCkWz7YbFq2xnCkWz7YbFq2x\n", True),
        ('{"token": "nCkWz7YbFq2xnCkWz7YbFq2x"}\n', True),
        ("auth_type = scram-sha-256\nserver https://shop.example/\n", False),
        ("# password: nCkWz7YbFq2xnCkWz7YbFq2x of the manual\n", False),
    ],
)
def test_secrets_that_everybody_can_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, is_secret: bool
) -> None:
    tmp_path.chmod(0o755)
    monkeypatch.setattr(look, "WITH_SECRETS", (str(tmp_path),))
    file = tmp_path / "settings"
    file.write_text(text)
    file.chmod(0o644)
    assert list(look.readable_secrets()) == [str(file)] * is_secret
    file.chmod(0o640)
    assert list(look.readable_secrets()) == []
