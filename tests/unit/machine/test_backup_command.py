"""The command `database-backup`: its answers and its exit statuses."""

from __future__ import annotations

import io
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from espalier_machine.database_backup import (
    backup,
    cli,
    drill,
    export,
    look,
    restore,
    rows,
    single_table,
    standby,
    state,
    status,
    verify,
    watch,
)
from espalier_machine.database_backup.config import Config
from espalier_machine.database_backup.errors import BackupError
from espalier_machine.database_backup.target import Target

from .backups import CONFIG

GREEN: dict[str, Any] = {"colour": "green", "findings": [], "backups": [1, 2], "destination": "s3"}
AMBER_FOUND = {**GREEN, "colour": "amber", "findings": [{"colour": "amber", "sentence": "so"}]}
RED_FOUND = {**GREEN, "colour": "red", "findings": [{"colour": "red", "sentence": "no"}]}


@pytest.fixture
def answering(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The command, whose actions give `answer`, or fail with it."""
    told = SimpleNamespace(answer={}, actions=[])

    def act(action: str, config: Config) -> dict[str, Any]:
        told.actions.append(action)
        if isinstance(told.answer, Exception):
            raise told.answer
        return told.answer

    monkeypatch.setattr(Config, "load", lambda: CONFIG)
    monkeypatch.setattr(cli, "act", act)
    return told


def ran(monkeypatch: pytest.MonkeyPatch, *typed: str) -> int:
    """Run the command; gives its exit status."""
    monkeypatch.setattr("sys.argv", ["database-backup", *typed])
    return cli.main()


@pytest.mark.parametrize(
    ("action", "answer", "exit_status", "output"),
    [
        ("watch", GREEN, 0, "green: 2 backups at s3\n"),
        ("watch", AMBER_FOUND, 0, "amber: so\n"),
        # Its unit fails, which tells somebody.
        ("watch", RED_FOUND, 1, "red: no\n"),
        ("status", RED_FOUND, 0, "red: no\n"),
        ("make", {"made": "20261130-093544F", "kind": "full"}, 0, None),
        ("make", {"made": ""}, 0, "\n"),
        ("drill", {"ok": True, "skipped": "", "rows": 0}, 0, "ok: True\nrows: 0\n"),
    ],
)
def test_exit_status_and_lines(
    answering: SimpleNamespace,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    action: str,
    answer: dict[str, Any],
    exit_status: int,
    output: str | None,
) -> None:
    answering.answer = answer
    assert ran(monkeypatch, action) == exit_status
    assert capsys.readouterr().out == (output or "made: 20261130-093544F\nkind: full\n")
    assert ran(monkeypatch, action, "--json") == exit_status
    assert json.loads(capsys.readouterr().out) == {"ok": True, **answer}
    assert answering.actions == [action, action]


def test_failure_is_a_sentence_and_the_status_1(
    answering: SimpleNamespace,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    answering.answer = BackupError("The backup failed: no.", "ERROR: [1]: no")
    assert ran(monkeypatch, "make") == 1
    assert capsys.readouterr() == ("", "The backup failed: no.\n")
    assert ran(monkeypatch, "make", "--json") == 1
    told = capsys.readouterr()
    assert json.loads(told.out) == {
        "ok": False,
        "error": "The backup failed: no.",
        "detail": "ERROR: [1]: no",
    }
    assert told.err == "The backup failed: no.\n"


def test_action_that_is_none_has_the_status_2(
    answering: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SystemExit) as ended:
        ran(monkeypatch, "undo")
    assert (ended.value.code, answering.actions) == (2, [])


def test_each_action_is_somebody_s(monkeypatch: pytest.MonkeyPatch) -> None:
    def told(name: str) -> Any:
        return lambda *given: {"did": name, "given": given[1:]}

    for module, name in (
        *((backup, "begin"), (backup, "make"), (restore, "plan"), (restore, "restore")),
        *((drill, "drill"), (verify, "verify"), (status, "status"), (watch, "watch")),
        (export, "export"),
        (standby, "fetch"),
        (look, "look"),
    ):
        monkeypatch.setattr(module, name, told(name))
    monkeypatch.setattr(single_table, "plan", told("plan-table"))
    monkeypatch.setattr(single_table, "bring", told("restore-table"))
    monkeypatch.setattr(restore, "find", lambda *given: (Target(**chosen), None))
    monkeypatch.setattr(rows, "write", told("count"))
    monkeypatch.setattr(state, "load", lambda name: {"drills": [{"ok": True}]})
    followed: list[int] = []
    monkeypatch.setattr(cli.lifeline, "follow_input", lambda: followed.append(0))
    monkeypatch.setattr(cli.os, "nice", followed.append)
    chosen = {"kind": "default", "value": "", "inclusive": True, "timeline": 1, "is_current": True}
    chosen |= {"backup": "x", "time": 5.0, "what": "all", "end": "", "position": ""}
    primary = {"system": "7", "timeline": 1, "history": "", "position": "0/1", "kept": "0/1"}
    said = {"plan": {"latest": True}, "restore": chosen, "export": {"latest": True}}
    said |= {"standby": {"into": "/joining", **primary}}
    for action in cli.ACTIONS:
        line = f"{json.dumps(said.get(action, {}))}\nnot read\n"
        monkeypatch.setattr("sys.stdin", io.StringIO(line))
        found = cli.act(action, CONFIG)
        if action in ("verify", "report"):
            drills = {"drills": [{"ok": True}]}
            known = {"verify": {"verified": True}, "report": {"drill": drills, **drills}}
            assert found == known[action]
            continue
        if action == "find":
            assert found == {"target": chosen}
            continue
        assert found["did"] == {"standby": "fetch"}.get(action, action)
        if action in ("plan", "export"):
            assert found["given"] == ({"latest": True},)
        if action == "restore":
            assert found["given"][0].as_json() == chosen
        if action == "standby":
            assert found["given"] == (Path("/joining"), standby.Primary(**primary))
    # What a person waits for gives way to the site, and ends with them.
    assert followed == [0, 0, 10, 0, 10]
