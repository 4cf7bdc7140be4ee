"""What people on the machine are told of the backups of uploads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from espalier_machine.uploads_backup import cli, config, status
from espalier_machine.uploads_backup.config import Config
from espalier_machine.uploads_backup.errors import BackupError

STATUS: dict[str, Any] = {
    "repository": "/srv/backups/shop/uploads",
    "uploads": "/var/lib/shop/media",
    "snapshot": {"time": "2026-11-30T12:03:00+00:00", "files": 3, "bytes": 70},
    "unsaved": 0,
    "timers": {"espalier-uploads-backup.timer": True},
    "error": "",
    "forgot": None,
    "sample": None,
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
    last = {"time": "2026-11-30T03:30:00+00:00", "files": 20, "bytes": 90, "compared": 19}
    assert status.lines({**STATUS, "sample": {**last, "error": "Of 20 uploads no."}})[2:] == [
        "sample      2026-11-30T03:30:00+00:00: 20 files, 90 bytes, 19 compared with the disk",
        "problem     Of 20 uploads no.",
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
