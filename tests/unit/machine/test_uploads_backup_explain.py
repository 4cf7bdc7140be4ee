"""What restic is told of paths, and what is said where it fails."""

from __future__ import annotations

import pytest

from espalier_machine.uploads_backup import explain, patterns, save
from espalier_machine.uploads_backup.errors import BackupError, MissingRepository
from espalier_machine.uploads_backup.restic import Done

from .uploads import FOLDER, file


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
    since = "lock was created at 2026-11-30 03:30:02 (1h2m ago)"
    assert str(explain.explain(f"{locked}\n{since}\nstorage ID 4f5e")) == (
        f"Something else works with the backups of uploads: {locked}, {since}"
    )


def test_what_could_not_be_read_is_found_in_either_output() -> None:
    done = Done(
        3,
        'reading repository password from stdin\n{"message_type":"status"}\n',
        '{"message_type":"error","error":{"Op":"open"},"during":"archival","item":"/m/a"}\n'
        "Warning: at least one source file could not be read\n",
    )
    assert save.unreadable(done.messages()) == ["/m/a"]
