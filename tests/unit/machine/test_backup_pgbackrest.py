"""How pgBackRest is asked, and what people are told where it fails."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from espalier_machine.common import owner
from espalier_machine.database_backup import pgbackrest
from espalier_machine.database_backup.errors import BackupError

from .backups import CONFIG, Programs, info, missing


def test_pgbackrest_is_told_which_stanza_and_by_which_configuration(programs: Programs) -> None:
    programs.answers = {"info": info(), "repo-get": "text"}
    pgbackrest.info(CONFIG)
    assert pgbackrest.content(CONFIG, "archive/a", Path("/tmp/c")) == "text"
    assert programs.ran() == [
        "timeout 30 pgbackrest --config=/etc/pgbackrest/pgbackrest.conf --stanza=shop "
        "--output=json info",
        "pgbackrest --config=/tmp/c --stanza=shop --ignore-missing repo-get archive/a",
    ]


def test_file_that_is_not_there_is_none(programs: Programs) -> None:
    # As pgBackRest 2.45 and 2.55 answer.
    programs.answers = {"repo-get": (1, "", "")}
    assert pgbackrest.content(CONFIG, "archive/a") == ""
    programs.answers = {"repo-ls": '{".":{"type":"path"}}'}
    assert pgbackrest.listing(CONFIG, "archive") == {".": {"type": "path"}}


@pytest.mark.parametrize(
    ("status", "errors", "sentence"),
    [
        (49, "ERROR: [049]: unable to connect to 'h'", "The destination does not answer."),
        (
            53,
            "ERROR: [053]: unable to list file info for path '/x/archive/shop/15-1': [13] "
            "Permission denied",
            "unable to list file info for path '/x/archive/shop/15-1': [13] Permission denied",
        ),
    ],
)
def test_what_cannot_be_read_is_not_taken_for_nothing(
    programs: Programs, status: int, errors: str, sentence: str
) -> None:
    for word, read in (("repo-get", pgbackrest.content), ("repo-ls", pgbackrest.listing)):
        programs.answers = {word: (status, "half", errors)}
        with pytest.raises(BackupError) as failed:
            read(CONFIG, "archive/a")
        assert str(failed.value) == f"The backups cannot be read: {sentence}"
        assert failed.value.detail == f"half\n{errors}"


def test_stanza_without_a_backup_is_no_error(programs: Programs) -> None:
    programs.answers = {"info": info()}
    assert pgbackrest.info(CONFIG)["backup"] == []
    assert pgbackrest.info_if_any(CONFIG) == info()


PASSPHRASE = (
    "The repository cannot be read with this passphrase: it is damaged, or the passphrase is "
    "another one than that with which it was made (.secrets/backup_passphrase of the inventory, or "
    "vault_backup_passphrase)."
)
EMPTIED = "The destination has no backups of this site any more: somebody has emptied it."
REFUSED = "The object store refuses the key: it is revoked, or may not read and write there."
AWAY = "The destination does not answer."
OTHER = (
    "The destination has backups of another database than this one. Give the backups of this one "
    "another `path` in hosts.yml, or restore that one here (`espalier restore`)."
)


@pytest.mark.parametrize(
    ("code", "message", "sentence"),
    [
        (1, "missing stanza path", EMPTIED),
        (3, "missing stanza data", EMPTIED),
        (
            99,
            "[HostConnectError] unable to connect to '192.0.2.1:443': [111] Connection refused",
            AWAY,
        ),
        (5, "database mismatch across repos", "database mismatch across repos"),
    ],
)
def test_repository_that_cannot_be_read_says_why(
    programs: Programs, code: int, message: str, sentence: str
) -> None:
    programs.answers = {"info": missing(code, message)}
    with pytest.raises(BackupError) as failed:
        pgbackrest.info(CONFIG)
    assert str(failed.value) == f"The backups cannot be read: {sentence}"
    if code in (1, 3):
        assert pgbackrest.info_if_any(CONFIG) is None
        return
    assert failed.value.detail == message
    # Nothing is prepared at a destination that cannot be read.
    with pytest.raises(BackupError):
        pgbackrest.info_if_any(CONFIG)


def test_stanza_that_nobody_knows_is_none(programs: Programs) -> None:
    programs.answers = {"info": "[]"}
    assert pgbackrest.info_if_any(CONFIG) is None
    with pytest.raises(BackupError, match="somebody has emptied it"):
        pgbackrest.info(CONFIG)
    programs.answers = {"info": (39, "", "ERROR: [039]: no")}
    with pytest.raises(BackupError, match="no"):
        pgbackrest.info_if_any(CONFIG)


def test_answer_with_the_bytes_of_a_file_that_was_decrypted_wrongly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As pgBackRest gives it with another passphrase: no UTF-8, and no JSON by the letter.
    garbage = b"9\xf8S\xd7}M)\x01*\xb4w\x1f'4|"
    lines = b"\\nFormatError: key/value found outside of section at line 1: " + garbage
    message = b"[FormatError] unable to load info file '/r/backup.info' or '/r/backup.info.copy':"
    told = b'[{"backup":[],"repo":[{"status":{"code":99,"message":"%b%b"}}],' % (message, lines)
    (tmp_path / "answer").write_bytes(told + b'"status":{"code":99,"message":"other"}}]')
    words = [sys.executable, "-c", "import shutil, sys; shutil.copyfileobj(open(sys.argv[1], 'rb')"]
    words[-1] += ", sys.stdout.buffer)"
    monkeypatch.setattr(owner, "as_owner", dict)
    given = [*words, str(tmp_path / "answer")]
    monkeypatch.setattr(pgbackrest, "command", lambda *ignored, **more: given)
    with pytest.raises(BackupError) as failed:
        pgbackrest.info(CONFIG)
    assert str(failed.value) == f"The backups cannot be read: {PASSPHRASE}"


WARNING = (
    "WARN: option 'repo1-retention-full' is not set for 'repo1-retention-full-type=count', the "
    "repository may run out of space\n"
    "      HINT: to retain full backups indefinitely (without warning), set option "
    "'repo1-retention-full' to the maximum.\n"
)
LOAD = (
    "ERROR: [{code}]: unable to load info file '/x/backup/shop/backup.info' or "
    "'/x/backup/shop/backup.info.copy':\n"
    "       {why}\n"
    "       {why}\n"
    "       HINT: backup.info cannot be opened and is required to perform a backup.\n"
    "       HINT: has a stanza-create been performed?"
)
NO_ARCHIVE = (
    "ERROR: [055]: unable to load info file '/x/archive/shop/archive.info' or "
    "'/x/archive/shop/archive.info.copy':\n"
    "       FileMissingError: unable to open missing file '/x/archive/shop/archive.info' for read\n"
    "       FileMissingError: unable to open missing file '/x/archive/shop/archive.info.copy' for "
    "read\n"
    "       HINT: archive.info cannot be opened but is required to push/get WAL segments.\n"
    "       HINT: is archive_command configured correctly in postgresql.conf?\n"
    "       HINT: has a stanza-create been performed?\n"
    "       HINT: use --no-archive-check to disable archive checks during backup if you have an "
    "alternate archiving scheme."
)


def http(status: str, code: str) -> str:
    """Return what pgBackRest tells of an answer of an object store."""
    body = f"\n*** Response Content ***:\n<Error><Code>{code}</Code></Error>" if code else ""
    return (
        f"ProtocolError: HTTP request failed with {status}:\n*** Path/Query ***:\n"
        "GET /b/x/backup/shop/backup.info\n*** Request Headers ***:\nauthorization: <redacted>\n"
        f"*** Response Headers ***:\ncontent-length: 81{body}"
    )


@pytest.mark.parametrize(
    ("code", "why", "sentence"),
    [
        ("029", "FormatError: key/value found outside of section at line 1: 9\ufffdS", PASSPHRASE),
        ("095", "CryptoError: unable to flush", PASSPHRASE),
        ("029", "CryptoError: cipher header invalid", PASSPHRASE),
        ("039", http("403 (Forbidden)", "AccessDenied"), REFUSED),
        ("039", http("403 (Forbidden)", "SignatureDoesNotMatch"), REFUSED),
        ("039", http("403 (Forbidden)", ""), REFUSED),
        (
            "039",
            http("403 (Forbidden)", "RequestTimeTooSkewed"),
            "The object store refuses: the clock of this machine is wrong.",
        ),
        ("039", http("404 (Not Found)", "NoSuchBucket"), "The bucket is not there."),
        ("101", "ServiceError: [507] Insufficient Storage", "The destination is full."),
        ("101", "ServiceError: [503] Service Unavailable", AWAY),
        (
            "049",
            "HostConnectError: unable to connect to '127.0.0.1:9': [111] Connection refused",
            AWAY,
        ),
        (
            "049",
            "HostConnectError: unable to get address for 's3.invalid': [-2] Name or service not "
            "known",
            AWAY,
        ),
        (
            "055",
            "FileMissingError: unable to open missing file '/x/backup/shop/backup.info' for read",
            EMPTIED,
        ),
    ],
)
def test_why_a_backup_fails(code: str, why: str, sentence: str) -> None:
    assert pgbackrest.explain(WARNING + LOAD.format(code=code, why=why)) == sentence


@pytest.mark.parametrize(
    ("output", "sentence"),
    [
        (NO_ARCHIVE, EMPTIED),
        (
            "ERROR: [028]: backup and archive info files exist but do not match the database\n"
            "       HINT: is this the correct stanza?\n"
            "       HINT: did an error occur during stanza-upgrade?",
            OTHER,
        ),
        (
            "WARN: repo1: [ArchiveMismatchError] unable to retrieve the archive id for database "
            "version '15' and system-id '7713945618501370095'\n"
            "ERROR: [103]: unable to find a valid repository",
            OTHER,
        ),
        (
            "WARN: unable to check pg1: [DbConnectError] unable to connect to 'dbname='postgres' "
            "port=5432 host='/run/postgresql'': connection to server on socket failed: No such "
            "file or directory\n"
            "      \tIs the server running locally and accepting connections on that socket?\n"
            "ERROR: [056]: unable to find primary cluster - cannot proceed\n"
            "       HINT: are all available clusters in recovery?",
            "PostgreSQL's primary does not answer.",
        ),
        (
            "ERROR: [082]: WAL segment 000000010000000000000001 was not archived before the "
            "60000ms timeout\n"
            "       HINT: check the archive_command to ensure that all options are correct "
            "(especially --stanza).\n"
            "       HINT: check the PostgreSQL server log for errors.",
            "PostgreSQL has not copied its WAL in time: its log says why.",
        ),
        (
            "ERROR: [045]: unable to write '/x/archive/shop': [28] No space left on device",
            "The destination is full.",
        ),
        # What nobody has a sentence for is told as it is: the error, and no hint to another tool.
        (
            "WARN: a\nERROR: [068]: archive_command 'false' must contain pgbackrest\n"
            "       HINT: check the archive_command",
            "archive_command 'false' must contain pgbackrest",
        ),
        (
            "2026-11-30 09:00:00.000 P00  ERROR: [087]: archive_mode must be enabled",
            "archive_mode must be enabled",
        ),
        ("P00  ERROR: [087]: archive_mode must be enabled", "archive_mode must be enabled"),
        ("sh: 1: pgbackrest: not found\n", "sh: 1: pgbackrest: not found"),
        ("\n", "no output"),
    ],
)
def test_other_failures_of_pgbackrest(output: str, sentence: str) -> None:
    assert pgbackrest.explain(output) == sentence


def test_failure_begins_with_what_was_tried_and_keeps_what_was_written(programs: Programs) -> None:
    programs.answers = {"backup": (87, "out\n", "ERROR: [087]: archive_mode must be enabled\n")}
    with pytest.raises(BackupError) as failed:
        pgbackrest.pgbackrest(CONFIG, "--type=full", "backup", what="The backup failed")
    assert str(failed.value) == "The backup failed: archive_mode must be enabled"
    assert failed.value.detail == "out\n\nERROR: [087]: archive_mode must be enabled"
    done: Any = pgbackrest.pgbackrest(CONFIG, "check", what="It failed")
    assert done.args[-1] == "check"


def test_destination_that_does_not_answer_is_waited_for_half_a_minute(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def late(*words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        assert words[:3] == ("timeout", "30", "pgbackrest")
        return subprocess.CompletedProcess(words, 124, "", "")

    monkeypatch.setattr(pgbackrest, "run", late)
    with pytest.raises(BackupError) as failed:
        pgbackrest.info(CONFIG)
    assert str(failed.value) == (
        "The backups cannot be read: The destination does not answer within 30 seconds."
    )
