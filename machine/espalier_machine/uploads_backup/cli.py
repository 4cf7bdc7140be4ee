"""Save this machine's uploads, and bring them back.

    uploads-backup begin                      make the repository where there is none
    uploads-backup run                        a snapshot if something has changed; every minute
    uploads-backup forget                     remove old snapshots, check the rest; every night
    uploads-backup status                     what is saved, since when, and what is wrong
    uploads-backup restore --to TIME [--plan] all uploads as they were; what is there is kept aside
    uploads-backup restore-file PATH --to TIME one upload as it was, beside the one that is there
    uploads-backup export --to TIME           all uploads as they were, as a tar stream after a line
                                              of JSON; it ends when standard input is silent
    uploads-backup verify-sample [N]          read N uploads back and compare them with the disk;
                                              every night, with 20

TIME is `latest`, or one of ISO 8601 with its zone: 2026-11-30T14:05:00+01:00.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from espalier_machine.common import installed, lifeline
from espalier_machine.uploads_backup import config, state
from espalier_machine.uploads_backup.config import Config
from espalier_machine.uploads_backup.errors import BackupError

NAME = "uploads-backup"
# What works alone, and how many seconds it waits for another one.
LOCKED = {
    "run": state.PATIENCE,
    "forget": state.PATIENCE,
    "restore": state.SOON,
    "restore-file": state.SOON,
}
NICE = 10  # of an export, which takes long: who visits the site goes first


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; gives the exit status."""
    arguments = parser().parse_args(argv)
    installed.mark_in_use()
    os.umask(0o077)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    try:
        settings = config.load()
        with alone(arguments):
            answer = act(settings, arguments)
        if arguments.action in ("run", "forget"):
            installed.remove_unused(NAME)
    except (BackupError, OSError) as error:
        answer = {"ok": False, "error": str(error)}
    except lifeline.Abandoned:
        return 1
    if arguments.json:
        print(json.dumps(answer))
    elif answer.get("error") and not answer["ok"] and arguments.action != "status":
        print(answer["error"], file=sys.stderr)
    elif arguments.action != "export":
        print("\n".join(lines(arguments.action, answer)))
    return 0 if answer["ok"] else 1


def parser() -> argparse.ArgumentParser:
    """The arguments."""
    made = argparse.ArgumentParser(
        prog=NAME, description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    actions = made.add_subparsers(dest="action", required=True, metavar="COMMAND")
    found = {}
    for name in ("begin", "run", "forget", "status", "restore", "restore-file", "verify-sample"):
        found[name] = actions.add_parser(name)
        found[name].add_argument("--json", action="store_true", help="print one JSON object")
    found["run"].add_argument(
        "--accept-fewer", action="store_true", help="though the backups have far more uploads"
    )
    found["export"] = actions.add_parser("export")
    found["export"].set_defaults(json=False)  # its output is the stream
    for name in ("restore", "restore-file", "export"):
        found[name].add_argument("--to", required=True, metavar="TIME", help="latest, or ISO 8601")
    found["restore"].add_argument(
        "--into", default="", metavar="DIRECTORY", help="another one than that of the uploads"
    )
    found["restore"].add_argument("--plan", action="store_true", help="say only what it would do")
    found["restore-file"].add_argument("path", metavar="PATH", help="of the upload")
    found["verify-sample"].add_argument(
        "count", type=int, nargs="?", default=0, metavar="N", help="how many files"
    )
    return made


def alone(arguments: argparse.Namespace) -> AbstractContextManager[None]:
    """The lock, where what is asked for changes something."""
    if arguments.action not in LOCKED or getattr(arguments, "plan", False):
        return nullcontext()
    return state.locked(arguments.action, LOCKED[arguments.action])


def act(settings: Config, arguments: argparse.Namespace) -> dict[str, Any]:
    """Do what is asked for; gives the answer as plain data."""
    from espalier_machine.uploads_backup import forget, restore, restore_file, sample, save, status

    if arguments.action == "export":
        from espalier_machine.uploads_backup import export

        lifeline.follow_input()
        os.nice(NICE)
        return export.export(settings, arguments.to, sys.stdout.buffer)
    actions: dict[str, Callable[[], dict[str, Any]]] = {
        "begin": lambda: save.begin(settings),
        "run": lambda: save.run(settings, accept_fewer=arguments.accept_fewer),
        "forget": lambda: forget.forget(settings),
        "status": lambda: status.status(settings),
        "restore": lambda: (restore.show if arguments.plan else restore.restore)(
            settings, arguments.to, arguments.into
        ),
        "restore-file": lambda: restore_file.restore_file(settings, arguments.path, arguments.to),
        "verify-sample": lambda: sample.verify_sample(settings, arguments.count or sample.USUAL),
    }
    return actions[arguments.action]()


def lines(action: str, answer: dict[str, Any]) -> list[str]:
    """An answer for a person on the machine."""
    if action == "status":
        from espalier_machine.uploads_backup import status

        return status.lines(answer)
    shown = {name: value for name, value in answer.items() if name != "ok" and value != ""}
    return [f"{name:<17}{_word(value)}" for name, value in shown.items()] or ["ok"]


def _word(value: Any) -> str:
    if isinstance(value, dict):
        return " ".join(str(one) for one in value.values())
    return "none" if value in (None, []) else str(value)
