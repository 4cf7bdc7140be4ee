"""Why there is no connection with a destination."""

from __future__ import annotations

import socket

import pytest

from plugins.module_utils.backup_destination import problem, s3
from tests.unit.backup_destination.service import Service, attempt


def test_nothing_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        endpoint = f"127.0.0.1:{listener.getsockname()[1]}"
    settings = {"to": "s3", "bucket": "b", "region": "r", "path": "/s", "endpoint": endpoint}
    assert attempt(settings, scheme="https") == (
        f"Nothing listens at {endpoint}. Check `endpoint` of `backup` in hosts.yml.",
        {"clock_skew": None, "has_backups": False, "info_begins": "", "free_bytes": None},
    )


def test_nothing_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3, "TIMEOUT", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        endpoint = f"127.0.0.1:{listener.getsockname()[1]}"
        settings = {"to": "s3", "bucket": "b", "region": "r", "path": "/s", "endpoint": endpoint}
        for scheme in ("http", "https"):
            assert attempt(settings, scheme=scheme)[0] == (
                f"{endpoint} does not answer within 15 s. Check `endpoint` of `backup` in "
                "hosts.yml, and whether a firewall on the way lets this machine through."
            )


def test_what_is_not_encrypted_is_told(service: Service) -> None:
    assert attempt(service.settings(), scheme="https")[0] == (
        f"{service.endpoint} does not answer HTTPS. Write a host, and perhaps a port, that does as "
        "`endpoint` of `backup` in hosts.yml."
    )


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ("[Errno -2] Name or service not known", "This machine cannot resolve the name of S (W)."),
        ("ssh: … Temporary failure in name resolution", "This machine cannot resolve the name of"),
        ("[SSL: CERTIFICATE_VERIFY_FAILED] self-signed", "This machine does not trust the cert"),
        ("[SSL: CERTIFICATE_VERIFY_FAILED] Hostname mismatch", "The certificate of S is for anoth"),
        ("connect: Network is unreachable", "S cannot be reached from this machine (W). C."),
        ("Connection reset by peer", "There is no connection with S (W). C."),
    ],
)
def test_why_there_is_no_connection(said: str, sentence: str) -> None:
    found = problem.problem_of(problem.UNREACHABLE, said, server="S", check="C", words="W")
    assert str(found).startswith(sentence)
