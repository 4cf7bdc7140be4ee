"""Runs pgBackRest as PostgreSQL's own user, and says in a sentence why it failed."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

from espalier_machine.common.owner import run
from espalier_machine.database_backup.config import Config
from espalier_machine.database_backup.errors import BackupError

CONFIGURATION = Path("/etc/pgbackrest/pgbackrest.conf")
# For a look, in seconds: pgBackRest itself tries for minutes where a destination does not answer.
PATIENCE = 30
TIMED_OUT = 124  # the status of `timeout`
MISSING = (1, 3)  # of `info`: the stanza's path, or its data
NOT_FOUND = 1  # the status of `archive-get` and of `repo-get --ignore-missing`; errors have others
UNREADABLE = "The backups cannot be read"
# On the machine that keeps the copies: the same without the databases' machines.
ALONE = CONFIGURATION.with_name("alone.conf")
# On standard error it writes neither the time nor its process.
LINE = re.compile(r"^(?:(?:\S+ \S+ +)?P\d+ +)?ERROR: \[(\d+)\]: (.*)$")
# What pgBackRest says -> what it means, for the codes that people meet. The first one counts: most
# failures are told as an info file that cannot be loaded, with the cause in the lines after it.
MEANINGS: tuple[tuple[str, str], ...] = (
    (r"RequestTimeTooSkewed", "The object store refuses: the clock of this machine is wrong."),
    (
        r"failed with 403|\[403\]|AccessDenied|InvalidAccessKeyId|SignatureDoesNotMatch",
        "The object store refuses the key: it is revoked, or may not read and write there.",
    ),
    (r"NoSuchBucket", "The bucket is not there."),
    (r"No space left|\[507\]|QuotaExceeded|\[28\]", "The destination is full."),
    (
        r"backup and archive info files exist but do not match the database|"
        r"unable to retrieve the archive id for database",
        "The destination has backups of another database than this one. Give the backups of this "
        "one another `path` in hosts.yml, or restore that one here (`espalier restore`).",
    ),
    (
        r"unable to find primary cluster|no database found",
        "PostgreSQL's primary does not answer.",
    ),
    (
        r"was not archived before",
        "PostgreSQL has not copied its WAL in time: its log says why.",
    ),
    (
        r"unable to connect|Connection refused|HostConnectError|timeout|unable to get address|"
        r"\[50[0-4]\]",
        "The destination does not answer.",
    ),
    (
        r"unable to open missing file '\S+/(archive|backup)\.info|missing stanza (path|data)",
        "The destination has no backups of this site any more: somebody has emptied it.",
    ),
    (
        r"unable to load info file|cipher header invalid|unable to flush|bad decrypt|"
        r"unexpected eof in",
        "The repository cannot be read with this passphrase: it is damaged, or the passphrase is "
        "another one than that with which it was made (.secrets/backup_passphrase of the "
        "inventory, or vault_backup_passphrase).",
    ),
)


def restoring(config: Config) -> Path:
    """Return the configuration with which a backup is restored to be looked at.

    Where only copies are kept, pgBackRest otherwise wants to work on the database's machine.
    """
    return ALONE if config.part == "repository" else CONFIGURATION


def command(config: Config, *words: str, conf: Path = CONFIGURATION) -> list[str]:
    """Return a command line of pgBackRest.

    With the stanza also where the command could do without: a machine that keeps copies answers
    others about their own alone.
    """
    return ["pgbackrest", f"--config={conf}", f"--stanza={config.stanza}", *words]


def pgbackrest(
    config: Config, *words: str, what: str, conf: Path = CONFIGURATION
) -> subprocess.CompletedProcess[str]:
    """Run it.

    Args:
        config: whose stanza.
        words: options and command.
        what: begins the sentence of an error: "The backup failed".
        conf: its configuration.

    Raises:
        BackupError: it failed.
    """
    done = run(*command(config, *words, conf=conf), check=False)
    if done.returncode:
        output = f"{done.stdout}\n{done.stderr}"
        raise BackupError(f"{what}: {explain(output)}", output.strip())
    return done


def explain(output: str) -> str:
    """Return what went wrong, for a person, from what it wrote."""
    for pattern, meaning in MEANINGS:
        if re.search(pattern, output, re.IGNORECASE):
            return meaning
    errors = [found[2] for line in output.splitlines() if (found := LINE.match(line.strip()))]
    return errors[0] if errors else (output.strip().splitlines() or ["no output"])[-1]


def info(config: Config, conf: Path = CONFIGURATION) -> dict[str, Any]:
    """Return what it says of the stanza's repository, as pgBackRest's own JSON has it.

    Raises:
        BackupError: the repository cannot be read, or has nothing of the stanza.
    """
    found = _info(config, conf)
    if found is None:
        raise BackupError(f"{UNREADABLE}: {explain('missing stanza path')}", "missing stanza path")
    return found


def info_if_any(config: Config) -> dict[str, Any] | None:
    """Return what `info` has; None where the destination knows nothing of the stanza yet.

    Raises:
        BackupError: the repository cannot be read.
    """
    return _info(config, CONFIGURATION)


def _info(config: Config, conf: Path) -> dict[str, Any] | None:
    words = command(config, "--output=json", "info", conf=conf)
    done = run("timeout", str(PATIENCE), *words, check=False)
    if done.returncode == TIMED_OUT:
        raise BackupError(
            f"{UNREADABLE}: The destination does not answer within {PATIENCE} seconds."
        )
    if done.returncode:
        raise _unreadable(done)
    # What was decrypted with another passphrase is in it as it is.
    found: dict[str, Any] = next(iter(json.loads(done.stdout or "[]", strict=False)), {})
    status = found.get("status", {"code": MISSING[0]})
    if status["code"] in MISSING:
        return None
    # 2: no backup yet, which is no error: WAL comes first.
    if status["code"] not in (0, 2):
        repositories: list[dict[str, Any]] = found.get("repo", [])
        one = repositories[0].get("status", status) if repositories else status
        raise BackupError(f"{UNREADABLE}: {explain(one['message'])}", one["message"])
    return found


def listing(
    config: Config, path: str, conf: Path = CONFIGURATION, *, recurse: bool = False
) -> dict[str, dict[str, Any]]:
    """Return the files in a path of the repository, with their `size` and `time`.

    Where there is no such path, it has no files: pgBackRest's status is 0.

    Args:
        config: whose repository.
        path: below its top.
        conf: pgBackRest's configuration.
        recurse: whether files in the directories below are wanted too, named `directory/file`.

    Raises:
        BackupError: it cannot be read. That is not the same as nothing.
    """
    words = ["--output=json", *["--recurse"] * recurse, "repo-ls", path]
    done = run(*command(config, *words, conf=conf), check=False)
    if done.returncode:
        raise _unreadable(done)
    found: dict[str, dict[str, Any]] = json.loads(done.stdout)
    return found


def content(config: Config, path: str, conf: Path = CONFIGURATION) -> str:
    """Return a file of the repository, decrypted; "" where there is none.

    Raises:
        BackupError: it cannot be read.
    """
    words = ["--ignore-missing", "repo-get", path]
    done = run(*command(config, *words, conf=conf), check=False)
    if done.returncode == NOT_FOUND:
        return ""
    if done.returncode:
        raise _unreadable(done)
    return done.stdout


def _unreadable(done: subprocess.CompletedProcess[str]) -> BackupError:
    output = f"{done.stdout}\n{done.stderr}"
    return BackupError(f"{UNREADABLE}: {explain(output)}", output.strip())
