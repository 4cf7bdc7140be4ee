"""Uploads in an object store: how it is asked whether it keeps versions."""

from __future__ import annotations

import datetime
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest

from espalier_machine.common import system
from espalier_machine.uploads_backup import config as settings
from espalier_machine.uploads_backup import save, signing, status, versioning
from espalier_machine.uploads_backup.config import Config
from espalier_machine.uploads_backup.errors import BackupError

AMAZONS_EXAMPLE = ("us-east-1", "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")


@pytest.mark.parametrize(
    ("query", "signature"),
    [
        ("lifecycle", "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"),
        ("prefix=J&max-keys=2", "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"),
    ],
)
def test_signatures_are_those_of_amazon_s_documentation(query: str, signature: str) -> None:
    now = datetime.datetime(2013, 5, 24, tzinfo=datetime.UTC)
    url = f"https://examplebucket.s3.amazonaws.com/?{query}"
    assert signing.signed_headers(url, *AMAZONS_EXAMPLE, now) == {
        "host": "examplebucket.s3.amazonaws.com",
        "x-amz-content-sha256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "x-amz-date": "20130524T000000Z",
        "authorization": "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/"
        "aws4_request,SignedHeaders=host;x-amz-content-sha256;x-amz-date,"
        f"Signature={signature}",
    }


STORE = {"bucket": "photos", "endpoint": "", "region": "", "access_key": "k", "secret_key": "s"}


def test_a_bucket_with_versions_is_a_backup(monkeypatch: pytest.MonkeyPatch) -> None:
    config = Config("shop", s3=STORE)
    monkeypatch.setattr(versioning, "status", lambda *_, **__: "Enabled")
    monkeypatch.setattr(versioning, "removed_after", lambda *_, **__: None)
    assert save.begin(config) == {
        "ok": True,
        "made": False,
        "bucket": "photos",
        "versioning": "Enabled",
        "warning": "",
    }
    monkeypatch.setattr(versioning, "status", lambda *_, **__: "Suspended")
    with pytest.raises(BackupError, match="The bucket photos has the uploads and keeps no earlier"):
        save.begin(config)
    with pytest.raises(BackupError, match="The uploads are in the bucket photos"):
        _ = config.directory


class Store(http.server.BaseHTTPRequestHandler):
    """An object store that has one answer."""

    answer = (200, "")
    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        """Answer."""
        self.asked.append(self.path)
        status, text = self.answer
        self.send_response(status)
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@pytest.fixture
def store() -> Iterator[str]:
    """The address of an object store."""
    server = http.server.HTTPServer(("127.0.0.1", 0), Store)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ("<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>", "Enabled"),
        ("<VersioningConfiguration><Status> Suspended</Status>", "Suspended"),
        ("<VersioningConfiguration/>", ""),
    ],
)
def test_an_object_store_says_whether_it_keeps_versions(
    store: str, monkeypatch: pytest.MonkeyPatch, said: str, found: str
) -> None:
    monkeypatch.setattr(Store, "answer", (200, said))
    monkeypatch.setattr(Store, "asked", [])
    keys = {"endpoint": store, "region": "", "access_key": "k", "secret_key": "s"}
    assert versioning.status("photos", **keys) == found
    assert Store.asked == ["/photos?versioning="]


def test_an_object_store_that_does_not_say_it_is_told(
    store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = {"region": "eu-1", "access_key": "k", "secret_key": "s"}
    for answer, why in (
        ((403, "<Error><Code>AccessDenied</Code></Error>"), "403 AccessDenied. Its keys"),
        ((500, ""), "500 Internal Server Error. Its keys"),
    ):
        monkeypatch.setattr(Store, "answer", answer)
        with pytest.raises(BackupError) as refused:
            versioning.status("photos", endpoint=store, **keys)
        assert f"the bucket photos keeps versions: {why}" in str(refused.value)
    with pytest.raises(BackupError, match=r"store at http://127\.0\.0\.1:1 cannot be reached: "):
        versioning.status("photos", endpoint="http://127.0.0.1:1", **keys)


def rule(days: int, status: str = "Enabled", name: str = "<ID>old</ID>") -> str:
    return (
        f"<Rule>{name}<Filter/><Status>{status}</Status><Expiration><Days>1</Days></Expiration>"
        f"<NoncurrentVersionExpiration><NoncurrentDays>{days}</NoncurrentDays>"
        "</NoncurrentVersionExpiration></Rule>"
    )


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        ((200, rule(30) + rule(3, name="<ID>tidy up</ID>")), (3, "tidy up")),
        ((200, rule(30) + rule(3, "Disabled")), (30, "old")),
        ((200, rule(3, name="")), (3, "")),
        (
            (200, "<Rule><Status>Enabled</Status><Expiration><Days>1</Days></Expiration></Rule>"),
            None,
        ),
        ((404, "<Error><Code>NoSuchLifecycleConfiguration</Code></Error>"), None),
        ((403, "<Error><Code>AccessDenied</Code></Error>"), None),
    ],
)
def test_rules_that_remove_old_versions_are_read_where_the_keys_may(
    store: str, monkeypatch: pytest.MonkeyPatch, answer: tuple[int, str], found: object
) -> None:
    monkeypatch.setattr(Store, "answer", answer)
    monkeypatch.setattr(Store, "asked", [])
    keys = {"endpoint": store, "region": "", "access_key": "k", "secret_key": "s"}
    assert versioning.removed_after("photos", **keys) == found
    assert Store.asked == ["/photos?lifecycle="]


def test_versions_that_end_before_the_rows_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sentence = (
        "The bucket photos removes old versions of uploads 3 days after they were deleted or "
        "overwritten (rule old of its lifecycle), and rows can be brought back for 14 days: raise "
        "NoncurrentDays of that rule to 16."
    )
    assert versioning.short_lived("photos", (3, "old"), 14) == sentence
    assert versioning.short_lived("photos", (14, "old"), 14) == ""
    assert versioning.short_lived("photos", None, 14) == ""
    monkeypatch.setattr(settings, "HOME", tmp_path)
    monkeypatch.setattr(system, "is_active", lambda _: True)
    monkeypatch.setattr(versioning, "status", lambda *_, **__: "Enabled")
    monkeypatch.setattr(versioning, "removed_after", lambda *_, **__: (3, "old"))
    config = Config("shop", s3=STORE)
    assert save.run(config)["ok"]
    known = status.status(config)
    assert (known["ok"], known["warning"]) == (True, sentence)
    monkeypatch.setattr(versioning, "removed_after", lambda *_, **__: None)
    save.run(config)
    assert status.status(config)["warning"] == ""
