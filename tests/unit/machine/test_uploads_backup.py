"""What is saved of uploads, which version of a file a moment had, and what people are told."""

from __future__ import annotations

import datetime
import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

from espalier_machine.uploads_backup import (
    changes,
    choose,
    cli,
    config,
    explain,
    forget,
    patterns,
    plan,
    restore_file,
    sample,
    save,
    signing,
    snapshots,
    state,
    status,
    tree,
    versioning,
)
from espalier_machine.uploads_backup.choose import AFTER, BEFORE, Chosen
from espalier_machine.uploads_backup.config import Config, load
from espalier_machine.uploads_backup.errors import BackupError, MissingRepository
from espalier_machine.uploads_backup.restic import Done
from espalier_machine.uploads_backup.snapshots import ASIDE, Snapshot
from espalier_machine.uploads_backup.tree import DIRECTORY, FILE, LINK, Entry, Listing

SECOND = 10**9
T = 1_000 * SECOND


def file(seconds: int, size: int = 1) -> Entry:
    return Entry(FILE, size, seconds * SECOND, 0o644, 998, 997)


FOLDER = Entry(DIRECTORY, 0, 2_000 * SECOND, 0o755, 998, 997)


# Which version


@pytest.mark.parametrize(
    ("before", "after", "chosen"),
    [
        pytest.param(file(900), file(900), AFTER, id="unchanged"),
        pytest.param(file(900), file(950), AFTER, id="written before the moment"),
        pytest.param(file(900), file(1_001), BEFORE, id="written after the moment"),
        pytest.param(file(900), file(300), AFTER, id="replaced by an older file"),
        pytest.param(file(900), None, BEFORE, id="deleted, perhaps after the moment"),
        pytest.param(None, file(999), AFTER, id="came before the moment"),
        pytest.param(None, file(300), AFTER, id="came with the time that it had elsewhere"),
        pytest.param(None, file(1_059), AFTER, id="clocks of machines differ"),
        pytest.param(None, file(1_061), None, id="came after the moment"),
        pytest.param(None, FOLDER, AFTER, id="a directory may have older files"),
        pytest.param(None, None, None, id="never there"),
    ],
)
def test_which_snapshot_has_the_version_of_a_moment(
    before: Entry | None, after: Entry | None, chosen: str | None
) -> None:
    found = choose.choose_one(before, after, T)
    assert (found.where if found else None) == chosen


def test_a_tree_is_chosen_path_by_path_parents_first() -> None:
    before = {"a": FOLDER, "a/old.txt": file(900), "a/gone.txt": file(800)}
    after = {"a": FOLDER, "a/old.txt": file(1_002), "b": FOLDER, "b/new.txt": file(950)}
    after["b/late.txt"] = file(5_000)
    assert choose.choose(before, after, T) == {
        "a": Chosen(BEFORE, FOLDER),
        "a/gone.txt": Chosen(BEFORE, file(800)),
        "a/old.txt": Chosen(BEFORE, file(900)),
        "b": Chosen(AFTER, FOLDER),
        "b/new.txt": Chosen(AFTER, file(950)),
    }


def test_a_file_that_has_become_a_directory_is_one_of_the_two() -> None:
    assert choose.choose({"a": file(900)}, {"a": FOLDER, "a/b": file(950)}, T) == {
        "a": Chosen(BEFORE, file(900))
    }


def test_with_one_snapshot_all_that_it_has_is_chosen() -> None:
    assert list(choose.choose({"a": file(1)}, None, T)) == ["a"]
    assert list(choose.choose(None, {"a": file(1), "b": file(2_000)}, T)) == ["a"]


def test_files_that_were_written_again_since_are_counted() -> None:
    before = {"a": file(900), "b": file(900), "c": file(900)}
    after = {"a": file(1_002), "b": file(950), "c": file(900), "d": file(1_002)}
    assert choose.uncertain(before, after, T) == ["a"]


# Snapshots


def listed(id: str, time: str, *tags: str) -> dict[str, Any]:
    return {"id": id, "time": time, "paths": ["/srv/shop/media"], "tags": ["uploads", *tags]}


def test_snapshots_are_read_and_sorted() -> None:
    answer = [
        listed("b" * 64, "2026-11-30T10:00:00.5+01:00", ASIDE),
        listed("a" * 64, "2026-11-30T08:00:00.123456789Z"),
    ]
    assert snapshots.parse(answer) == [
        Snapshot("a" * 64, 1_796_025_600_123_456_789, "/srv/shop/media"),
        Snapshot("b" * 64, 1_796_029_200_500_000_000, "/srv/shop/media", is_aside=True),
    ]


def shots(*times: int, aside: int = 0) -> list[Snapshot]:
    return [Snapshot(str(time), time, "/m", time == aside) for time in times]


def test_two_snapshots_tell_of_a_moment() -> None:
    def ids(*arguments: Any) -> list[str | None]:
        return [one.id if one else None for one in snapshots.around(*arguments)]

    assert ids(shots(1, 2, 3), 2) == ["2", "3"]
    assert ids(shots(1, 2, 3), 3) == ["3", None]
    assert ids(shots(5), 2) == [None, "5"]
    assert ids([], 2) == [None, None]


def test_the_newest_state_is_not_what_a_restore_has_put_aside() -> None:
    seen = shots(1, 2, 3, aside=2)
    assert snapshots.around(seen, 2) == (seen[1], seen[2])
    assert snapshots.around(seen, 2, True) == (seen[0], seen[2])
    assert snapshots.newest(shots(1, 2, aside=2)) == Snapshot("1", 1, "/m")
    assert snapshots.newest([]) is None


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("latest", 1_796_040_000 * SECOND),
        ("2026-11-30T09:00:00+01:00", 1_796_025_600 * SECOND),
        ("2026-11-30T08:00:00.000001Z", 1_796_025_600_000_001_000),
    ],
)
def test_moments(text: str, found: int) -> None:
    assert snapshots.moment(text, 1_796_040_000 * SECOND) == found


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("yesterday", "'yesterday' is no time. Write one such as 2026-11-30T14:05:00"),
        ("2026-11-30T09:00:00", "does not say of which time zone it is"),
        ("2036-11-30T09:00:00Z", "is in the future"),
    ],
)
def test_what_is_no_moment_is_refused(text: str, words: str) -> None:
    with pytest.raises(BackupError, match=words):
        snapshots.moment(text, 1_796_040_000 * SECOND)


# What a snapshot has


def node(path: str, kind: str = "file", **values: Any) -> dict[str, Any]:
    known = {"struct_type": "node", "type": kind, "path": path, "uid": 998, "gid": 997}
    return {**known, "mode": 0o644, "mtime": "2026-11-30T08:00:00Z", **values}


def test_a_list_of_restic_is_read() -> None:
    nodes = [
        {"struct_type": "snapshot", "paths": ["/srv/shop/media"]},
        node("/srv", "dir", mode=0o755 | 1 << 31),
        node("/srv/shop/media", "dir", mode=0o755 | 1 << 31 | 1 << 22),
        node("/srv/shop/media/a.jpg", size=5),
        node("/srv/shop/media/link", "symlink", mode=0o777 | 1 << 27),
        node("/srv/shop/media/pipe", "fifo"),
        node("/srv/shop/media/.incoming/x", size=1),
        node("/srv/shop/media/bad\ufffd.jpg", size=1),
        node("/srv/shop/media-old/a.jpg", size=1),
    ]
    time = 1_796_025_600 * SECOND
    assert tree.parse(nodes, "/srv/shop/media") == Listing(
        Entry(DIRECTORY, 0, time, 0o2755, 998, 997),
        {
            "a.jpg": Entry(FILE, 5, time, 0o644, 998, 997),
            "link": Entry(LINK, 0, time, 0o777, 998, 997),
        },
        unreadable=1,
    )


def test_owners_are_those_of_this_machine() -> None:
    other = Entry(FILE, 1, 0, 0o644, 0, 997)
    listing = Listing(FOLDER, {"a": file(1), "b": other})
    assert plan.adopted(listing, (1001, 1002)).entries == {
        "a": file(1)._replace(uid=1001, gid=1002),
        "b": other._replace(gid=1002),
    }
    assert plan.adopted(listing, None) == listing


# What restic is told


def test_patterns_match_one_path() -> None:
    assert patterns.escape(r"/m/a*b?[1]\c é") == r"/m/a\*b\?\[1\]\\c é"


def test_a_directory_is_restored_whole_where_half_of_it_is_wanted() -> None:
    entries = {"a": FOLDER, "b": FOLDER, "c.txt": file(1, 1_000_000)}
    entries |= {f"a/{n}": file(1, 100) for n in range(4)}
    entries |= {f"b/{n}": file(1, 100) for n in range(4)}
    assert patterns.cover({"a/0", "a/1", "b/0"}, entries) == ["a", "b/0"]
    assert patterns.cover({"a/0"}, entries) == ["a/0"]
    assert patterns.cover({*entries} - {"a", "b"}, entries) == [""]
    assert patterns.covered(["a", "b/0"], entries) == 500
    assert patterns.covered([""], entries) == 1_000_800


def test_patterns_are_split_into_calls() -> None:
    assert list(patterns.batches(["a", "b", "c"], most=2)) == [["a", "b"], ["c"]]
    assert list(patterns.batches(["a" * 50, "b" * 50], longest=100)) == [["a" * 50], ["b" * 50]]
    assert list(patterns.batches([])) == []


# What restic says, as Debian 12's and Debian 13's do

MISSING_14 = """Fatal: unable to open config file: Stat: The specified key does not exist.
Is there a repository at the following location?
s3:https://s3.example.com/backups/shop/uploads"""


@pytest.mark.parametrize(
    ("output", "words"),
    [
        ("Fatal: wrong password or no key found", "bring back deploy/<environment>/.secrets/back"),
        (
            "subprocess ssh: root@10.0.0.9: Permission denied (publickey).\nFatal: unable to open "
            "repository at sftp://root@10.0.0.9: unable to start the sftp session, error: EOF",
            "refuses the site's SSH key",
        ),
        ("subprocess ssh: Host key verification failed.\nFatal: EOF", "another SSH host key"),
        (
            "Fatal: unable to open config file: Stat: Access Denied.\nIs there a repository at the "
            "following location?\ns3:https://s3.example.com/backups",
            "The object store refuses the keys",
        ),
        (
            'Stat(<config/>) returned error, retrying after 8.4s: Head "https://:***@10.0.0.9/": '
            "dial tcp 10.0.0.9:8433: connect: connection refused",
            "The destination cannot be reached: Head .* connection refused$",
        ),
        (
            "subprocess ssh: ssh: Could not resolve hostname u1.example.com: Name or service not "
            "known\nFatal: EOF",
            "cannot be reached: subprocess ssh: ssh: Could not resolve hostname u1.example.com",
        ),
        (
            'Fatal: unable to open config file: client.Head: Head "https://10.0.0.9:8433/config": '
            "remote error: tls: bad certificate\nIs there a repository at …",
            "do not accept each other's certificates",
        ),
        (
            '{"message_type":"exit_error","code":1,"message":"Fatal: unable to save snapshot: '
            'write /r/data/5d: no space left on device"}',
            "There is no room left: Fatal: unable to save snapshot: write /r/data/5d: no space",
        ),
        (
            "pack 54bc9a5c: does not exist\nFatal: repository contains errors",
            "The backups there are damaged",
        ),
        (
            "Fatal: config or key 0965012b is damaged: ciphertext verification failed",
            "cannot be opened.*If nothing was ever saved there, making them was cut off",
        ),
        (
            "Fatal: create key in repository at s3:x failed: repository already contains keys",
            "If nothing was ever saved there, making them was cut off",
        ),
        ("Fatal: something new", "restic failed: something new"),
        ("", "restic failed: no word"),
    ],
)
def test_failures_are_sentences(output: str, words: str) -> None:
    with pytest.raises(BackupError, match=words):
        raise explain.explain(output)


@pytest.mark.parametrize(
    "output",
    [
        MISSING_14,
        "Fatal: repository does not exist: unable to open config file: <config/> does not exist",
        "Fatal: unable to open config file: stat /srv/r/config: no such file or directory",
    ],
)
def test_a_repository_that_is_missing_is_no_other_failure(output: str) -> None:
    assert isinstance(explain.explain(output), MissingRepository)


def test_a_lock_is_told_from_other_failures() -> None:
    locked = "unable to create lock in backend: repository is already locked exclusively by PID 1"
    assert explain.is_locked(locked)
    assert not explain.is_locked(MISSING_14)
    assert "works with the backups for hours" in str(explain.explain(locked))


def test_what_could_not_be_read_is_found_in_either_output() -> None:
    done = Done(
        3,
        'reading repository password from stdin\n{"message_type":"status"}\n',
        '{"message_type":"error","error":{"Op":"open"},"during":"archival","item":"/m/a"}\n'
        "Warning: at least one source file could not be read\n",
    )
    assert save.unreadable(done.messages()) == ["/m/a"]


# The nights


def test_nothing_is_removed_while_the_newest_snapshot_is_of_the_future() -> None:
    forget.check_clock(shots(1_000 * SECOND, 4_000 * SECOND), now=500)
    with pytest.raises(BackupError, match=r"1970-01-01T01:08:20\+00:00, which is in the future"):
        forget.check_clock(shots(1_000 * SECOND, 4_100 * SECOND), now=499)


def test_who_does_not_keep_the_backups_removes_none() -> None:
    with pytest.raises(BackupError, match="the machine that keeps them does it"):
        forget.forget(Config("shop"))


def test_a_sample_has_its_bounds() -> None:
    entries = {"a": file(1, 60), "b": FOLDER, "c": file(1, 50), "d": file(1, 40), "e": file(1, 1)}
    assert sample.pick(list(entries), entries, 3, 100) == ["a", "d"]
    assert sample.pick(list(entries), entries, 2, 1000) == ["a", "c"]


# One upload


def test_an_upload_is_named_by_either_path() -> None:
    assert restore_file.relative("a/b.jpg", "/srv/shop/media") == "a/b.jpg"
    assert restore_file.relative("/srv/shop/media/b.jpg", "/srv/shop/media") == "b.jpg"
    assert restore_file.relative("/mnt/b.jpg", "/srv/shop/media", "/mnt") == "b.jpg"
    for given in ("/etc/passwd", "../x", "a/../../x", "", "/srv/shop/media"):
        with pytest.raises(BackupError, match="is no upload"):
            restore_file.relative(given, "/srv/shop/media")


# An object store

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
    assert save.begin(config) == {
        "ok": True,
        "made": False,
        "bucket": "photos",
        "versioning": "Enabled",
    }
    monkeypatch.setattr(versioning, "status", lambda *_, **__: "Suspended")
    with pytest.raises(BackupError, match="The bucket photos has the uploads and keeps no earlier"):
        save.begin(config)
    with pytest.raises(BackupError, match="The uploads are in the bucket photos"):
        _ = config.directory


# Settings and state


def test_settings_of_another_version_are_read_and_hold_no_secret_in_a_traceback(tmp_path) -> None:
    given = {"site": "shop", "options": ["-o", "x=y"], "environment": {"K": "secret"}, "later": 1}
    (tmp_path / "c.json").write_text(json.dumps(given))
    config = load(tmp_path / "c.json")
    assert config == Config("shop", options=("-o", "x=y"), environment={"K": "secret"})
    assert "secret" not in repr(config)
    with pytest.raises(BackupError, match="uploads of this machine are not backed up"):
        load(tmp_path / "none.json")


def test_a_failure_is_as_old_as_its_first_try() -> None:
    known = state.State()
    known.fails("no answer", 10)
    known.fails("no answer", 20)
    assert (known.error, known.failed) == ("no answer", 10)
    known.succeeds()
    assert known == state.State()


def test_paths_are_literal_for_find() -> None:
    assert changes._literal(tree.Path("/m/a*[b]")) == r"/m/a\*\[b\]"


# What people and programs are told


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


STATUS: dict[str, Any] = {
    "repository": "/srv/backups/shop/uploads",
    "uploads": "/var/lib/shop/media",
    "snapshot": {"time": "2026-11-30T12:03:00+00:00", "files": 3, "bytes": 70},
    "unsaved": 0,
    "timers": {"espalier-uploads-backup.timer": True},
    "error": "",
    "forgot": None,
}


def test_status_is_told_in_lines() -> None:
    assert status.lines(STATUS) == [
        "repository  /srv/backups/shop/uploads",
        "newest      2026-11-30T12:03:00+00:00: 3 files, 70 bytes",
    ]
    night = {"snapshots": 40, "bytes": 90, "time": "2026-11-30T03:30:00+00:00"}
    late = {"unsaved": 700, "timers": {"espalier-uploads-backup.timer": False}, "forgot": night}
    assert status.lines({**STATUS, **late, "error": "There is no room left"})[2:] == [
        "unsaved     for 700 s",
        "kept        40 snapshots, 90 bytes, as of 2026-11-30T03:30:00+00:00",
        "stopped     espalier-uploads-backup.timer",
        "problem     There is no room left",
    ]
    nothing = {**STATUS, "repository": "", "snapshot": None}
    assert status.lines({**nothing, "uploads": "s3"}) == ["uploads     in an object store"]
    assert status.lines(nothing) == ["Nothing is saved yet."]


@pytest.mark.parametrize(
    ("words", "answer", "expected"),
    [
        (["run"], {"ok": True, "snapshot": None}, (0, "snapshot         none\n", "")),
        (["begin"], {"ok": True}, (0, "ok\n", "")),
        (
            ["restore", "--to", "latest"],
            {"ok": True, "replaced": "/x", "pair": {"before": "a", "after": "b"}, "aside": ""},
            (0, "replaced         /x\npair             a b\n", ""),
        ),
        (["run"], BackupError("There is no room left"), (1, "", "There is no room left\n")),
        (
            ["status"],
            {**STATUS, "ok": False, "snapshot": None, "error": "No room."},
            (1, "repository  /srv/backups/shop/uploads\nproblem     No room.\n", ""),
        ),
    ],
)
def test_a_person_on_the_machine_reads_lines(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    answer: Any,
    expected: tuple[int, str, str],
) -> None:
    def act(*_: object) -> Any:
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(config, "HOME", tmp_path)
    monkeypatch.setattr(config, "load", lambda: Config("shop"))
    monkeypatch.setattr(cli, "act", act)
    monkeypatch.setattr(cli.os, "umask", lambda _: 0)
    monkeypatch.setattr(cli.signal, "signal", lambda *_: None)
    monkeypatch.setattr(cli.installed, "mark_in_use", lambda: None)
    monkeypatch.setattr(cli.installed, "remove_unused", lambda _: None)
    assert (cli.main(words), *capsys.readouterr()) == expected
