"""A machine's part in the backups, and what pgBackRest and PostgreSQL answer there.

What they answer was written by pgBackRest 2.45 and PostgreSQL 15, of a site that was restored once.
"""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from espalier_machine.database_backup.config import Config
from espalier_machine.database_backup.repository import Backup

CONFIG = Config(
    stanza="shop",
    destination="s3://shop-backups/shop/production at s3.example.com",
    version="15",
    part="primary",
    database="shop",
    makes_backups=True,
    falls_back=False,
    keep_days=14,
    keep_full=2,
    drill=True,
    waiting_wal=0,
    archive_timeout=60,
)


@dataclass(frozen=True)
class Here(Config):
    """A machine whose cluster is in a directory of the test's own."""

    folder: Path = Path("/nowhere")

    @property
    def data(self) -> Path:
        """Where its data is."""
        return self.folder / "main"


def here(folder: Path, **differs: Any) -> Here:
    """Return the part of a machine whose cluster is below a directory."""
    return Here(**{**vars(CONFIG), "folder": folder, **differs})


def made(label: str, began: int, ended: int, wal: str, lsn: str, **differs: Any) -> dict[str, Any]:
    """Return a backup as pgBackRest's `info` has it; `wal` and `lsn` are those at its end."""
    prior = label.partition("_")[0] if "_" in label else None
    return {
        "archive": {"start": wal, "stop": wal},
        "backrest": {"format": 5, "version": "2.45"},
        "database": {"id": 1, "repo-key": 1},
        "error": False,
        "info": {
            "delta": 22992637,
            "repository": {"delta": 2828384, "size": 2828384},
            "size": 22992637,
        },
        "label": label,
        "lsn": {"start": "0/2000028", "stop": lsn},
        "prior": prior,
        "reference": [prior] if prior else None,
        "timestamp": {"start": began, "stop": ended},
        "type": {"F": "full", "D": "diff", "I": "incr"}[label[-1]],
        **differs,
    }


FIRST = made("20261130-093544F", 1796031344, 1796031345, "000000010000000000000003", "0/3000050")
SECOND = made(
    "20261130-093544F_20261130-093549D",
    1796031349,
    1796031351,
    "000000010000000000000006",
    "0/6000050",
    info={
        "delta": 1728778,
        "repository": {"delta": 171536, "size": 2830864},
        "size": 23074558,
    },
)
# After the restore.
THIRD = made("20261130-093913F", 1796031553, 1796031555, "00000002000000000000000A", "0/A000050")


def info(*backups: dict[str, Any], newest: str | None = None, **differs: Any) -> dict[str, Any]:
    """Return what pgBackRest's `info` says of a stanza.

    Args:
        backups: those that are there.
        newest: the newest segment of WAL; by default that of the last backup.
        differs: other keys.
    """
    newest = newest or (backups[-1]["archive"]["stop"] if backups else None)
    oldest = "000000010000000000000001" if newest else None
    code, message = (0, "ok") if backups else (2, "no valid backups")
    archive = {"database": {"id": 1, "repo-key": 1}, "id": "15-1", "max": newest, "min": oldest}
    status = {"code": code, "message": message}
    return {
        "archive": [archive],
        "backup": list(backups),
        "cipher": "aes-256-cbc",
        "db": [{"id": 1, "repo-key": 1, "system-id": 7713895870308637864, "version": "15"}],
        "name": "shop",
        "repo": [{"cipher": "aes-256-cbc", "key": 1, "status": status}],
        "status": {**status, "lock": {"backup": {"held": False}}},
        **differs,
    }


def missing(code: int, message: str) -> dict[str, Any]:
    """Return what `info` says where it cannot read a stanza."""
    told = {"code": code, "message": message}
    status = {"code": code, "lock": {"backup": {"held": False}}}
    status["message"] = message if code < 99 else "other"
    repo = [{"cipher": "aes-256-cbc", "key": 1, "status": told}]
    return info(archive=[], db=[], repo=repo, status=status)


def backup(kind: str, ended: float, **differs: Any) -> Backup:
    """Return a backup of which only kind and end matter."""
    known = {"label": f"{ended:.0f}", "began": 0, "timeline": 1, "stop_lsn": 0}
    known |= {"size": 0, "stored": 0}
    return Backup(**{**known, "kind": kind, "ended": int(ended), **differs})


@dataclass
class Programs:
    """Plays pgBackRest, psql, pg_waldump and the others, by the first word that it knows.

    Attributes:
        answers: by a word or an SQL statement's beginning: what it writes, or (status, output,
            errors); a list has an answer for each time.
        folders: of the repository, with their files and the time of each.
        calls: what was run.
    """

    answers: dict[str, Any] = field(default_factory=dict)
    folders: dict[str, dict[str, float]] = field(default_factory=dict)
    calls: list[list[str]] = field(default_factory=list)

    def __call__(self, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run one."""
        self.calls.append(list(command))
        status, out, errors = self._answer(command)
        return subprocess.CompletedProcess(command, status, out, errors)

    def _answer(self, command: tuple[str, ...]) -> tuple[int, str, str]:
        if "repo-ls" in command and "repo-ls" not in self.answers:
            return 0, json.dumps(self._listing(command[-1], "--recurse" in command)), ""
        for word in command:
            known = [one for one in self.answers if word.startswith(one)]
            if not known:
                continue
            answer = self.answers[max(known, key=len)]
            if isinstance(answer, list):
                answer = answer.pop(0)
            if isinstance(answer, dict):
                answer = json.dumps([answer])
            return answer if isinstance(answer, tuple) else (0, answer, "")
        return 0, "", ""

    def _listing(self, folder: str, recurse: bool) -> dict[str, Any]:
        found: dict[str, Any] = {".": {"type": "path"}}
        for name, time in self.folders.get(folder, {}).items():
            found[name] = {"type": "file", "size": 1, "time": time} if time else {"type": "path"}
            if recurse and not time:
                below = self._listing(f"{folder}/{name}", recurse)
                found |= {f"{name}/{file}": said for file, said in below.items() if file != "."}
        return found

    def archive(self, **segments: float) -> None:
        """Have the archive these segments, named `s` and their number, by when they came."""
        for name, time in segments.items():
            top = self.folders.setdefault("archive/shop/15-1", {})
            top[name[1:17]] = 0
            folder = self.folders.setdefault(f"archive/shop/15-1/{name[1:17]}", {})
            folder[f"{name[1:]}-e860fd0f42be23ef4d7ec696e93bf6600257615b.zst"] = time

    def ran(self, word: str = "") -> list[str]:
        """Return the commands that have a word, each as one line."""
        return [" ".join(call) for call in self.calls if not word or word in call]


def words(programs: Programs) -> list[str]:
    """Return what pgBackRest was asked for, without what it is always told."""
    calls = [call[3:] for call in programs.calls if call[0] == "pgbackrest"]
    looking = {"info", "repo-ls", "repo-get"}
    return [" ".join(call) for call in calls if not looking & set(call)]


STARTED = ["systemctl start --no-block espalier-backup.service"]


class Systemd:
    """What systemd is told, and whether a backup is being made."""

    def __init__(self, state: str = "inactive") -> None:
        """Take the unit's state."""
        self.state, self.calls = state, []

    def run(self, argv: list[str], **how: Any) -> Any:
        """Run systemctl."""
        if argv[1] == "show":
            return SimpleNamespace(stdout=f"{self.state}\n")
        self.calls.append(" ".join(argv))
        return subprocess.CompletedProcess(argv, 0)
