"""What restic says when it fails, as a sentence for a person: what is wrong, and what to do."""

from __future__ import annotations

import json
import re

from espalier_machine.uploads_backup.errors import BackupError, MissingRepository

WIDTH = 300  # characters of restic's own words

LOCKED = re.compile(r"repository is already locked", re.I)
SINCE = "lock was created at"
MISSING = re.compile(
    r"unable to open config file: .*(does not exist|no such file|NoSuchKey|404)", re.I
)
# The first that matches counts: what restic says of a missing repository it says of one that
# cannot be reached, too.
SENTENCES = (
    (
        r"wrong password or no key found",
        "The passphrase is another one than that with which the backups there are encrypted: bring "
        "back deploy/<environment>/.secrets/backup_passphrase as it was. Without it nobody can "
        "read them.",
    ),
    (
        r"host key verification failed|host identification has changed",
        "The destination has another SSH host key than `host_key` of `backup` in hosts.yml says. "
        "Ask whoever runs it for the right one, and write that.",
    ),
    (
        r"permission denied \((publickey|[a-z,-]*publickey)|too many authentication failures",
        "The destination refuses the site's SSH key. Add its public line to authorized_keys of the "
        "user there.",
    ),
    (
        r"access key id you provided|invalidaccesskeyid|signature ?(we calculated|doesnotmatch)"
        r"|access ?denied|no credentials found|invalid security",
        "The object store refuses the keys, or they may not use this bucket: {line}. The secrets "
        "backup_access_key and backup_secret_key have to be those of a user who may list, read, "
        "write and delete there.",
    ),
    (
        r"bucket does not exist|nosuchbucket",
        "The object store has no such bucket, and its keys may not make one: make it, or write "
        "another `bucket` for `backup` in hosts.yml.",
    ),
    (
        r"authorizationheadermalformed|expecting '[a-z0-9-]+'|permanentredirect",
        "The bucket is in another region than `region` of `backup` in hosts.yml says: {line}",
    ),
    (
        r"x509:|tls: |bad certificate",
        "The destination and this machine do not accept each other's certificates: {line}. Where "
        "the destination is a machine of the site, `espalier site` gives both new ones.",
    ),
    (
        r"connection (refused|reset|timed out)|operation timed out|no such host|no route to host"
        r"|network is unreachable|i/o timeout|could not resolve|broken pipe|connect: ",
        "The destination cannot be reached: {line}",
    ),
    (
        r"no space left|quota exceeded|quotaexceeded|insufficient storage|no_space",
        "There is no room left: {line}",
    ),
    (
        r"already contains keys|config or key \S+ is damaged",
        "The backups there cannot be opened: {line}. If nothing was ever saved there, making them "
        "was cut off: delete what is at the destination, and run `espalier site` again.",
    ),
    (
        r"repository contains errors|is damaged|could be damaged|ciphertext verification|pack id "
        r"does not match|invalid data returned|unexpected pack id|pack \S+: does not exist",
        "The backups there are damaged: {line}. What is intact can still be restored; how to "
        "repair them says https://restic.readthedocs.io/en/stable/077_troubleshooting.html",
    ),
    (
        r"permission denied|operation not permitted|403",
        "The destination does not let the site write there: {line}",
    ),
)


def is_locked(output: str) -> bool:
    """Whether another restic has locked the repository."""
    return bool(LOCKED.search(output))


def explain(output: str) -> BackupError:
    """The error for what restic has printed.

    Args:
        output: its standard error, with what it tried again.
    """
    lines = [plain(line) for line in output.splitlines() if line.strip()]
    text = "\n".join(lines)
    for pattern, sentence in SENTENCES:
        found = [line for line in lines if re.search(pattern, line, re.I)]
        if found:
            return BackupError(sentence.format(line=found[-1][:WIDTH].rstrip(".")))
    if MISSING.search(text):
        return MissingRepository("There are no backups at the destination yet.")
    if LOCKED.search(text):
        who = [line for line in lines if LOCKED.search(line) or line.startswith(SINCE)]
        return BackupError(
            f"Something else works with the backups of uploads: {', '.join(who)[:WIDTH]}"
        )
    said = [line for line in lines if line.startswith("Fatal")] or lines[-1:] or ["no word"]
    return BackupError(f"restic failed: {said[-1].removeprefix('Fatal: ')[:WIDTH]}")


def plain(line: str) -> str:
    """A line of restic's without what is for terminals, or for programs."""
    line = re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", line).strip()
    line = re.sub(r"^\S+ returned error, retrying after \S+: ", "", line)
    if line.startswith("{"):
        try:
            found = json.loads(line)
        except ValueError:
            return line
        error = found.get("error")
        message = error.get("message") if isinstance(error, dict) else found.get("message")
        return " ".join(str(message or line).split())
    return line
