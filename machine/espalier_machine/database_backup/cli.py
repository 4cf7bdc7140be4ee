"""Copies of the database elsewhere, and their way back.

    database-backup begin                 have the destination know this cluster
    database-backup make                  what the timer runs each night
    database-backup count                 write down the site's rows, for a drill on another machine
    database-backup drill                 restore the newest into a cluster that is thrown away
    database-backup verify                compare each file of the repository with its checksum
    database-backup watch                 what the timer runs each minute; status 1 where it is red
    database-backup look                  see at the destination whether this database is the site's
    database-backup status                what is there, and what is wrong
    database-backup report                what the last drill has proven, and the 90 before it
    database-backup plan                  what a restore would do; the moment as JSON on stdin
    database-backup restore               do it; the target of a plan as JSON on stdin
    database-backup standby               fetch the newest backup for a replica; its primary as
                                          JSON on stdin, which stays open
    database-backup find                  which moment is meant; the moment as JSON on stdin
    database-backup plan-table            what bringing one table back would do; the table and the
                                          moment as JSON on stdin
    database-backup restore-table         do it, beside the live one; the table and the target of a
                                          plan as JSON on stdin, which stays open
    database-backup export                dump a moment into a file, to be fetched; the moment, and
                                          what is anonymised, as JSON on stdin, which stays open

With --json one JSON object. A failure is a sentence on standard error, and status 1.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

from espalier_machine.common import installed, lifeline
from espalier_machine.common.text import counted
from espalier_machine.database_backup.config import Config
from espalier_machine.database_backup.errors import BackupError

NAME = "database-backup"
NICE = 10  # of what a person begins, and takes long: who visits the site goes first
ACTIONS = (
    *("begin", "make", "count", "drill", "report", "verify", "watch", "look", "status"),
    *("standby", "find", "plan", "restore", "plan-table", "restore-table", "export"),
)


def main() -> int:
    """Run the command line; gives the exit status."""
    summary = (__doc__ or "").splitlines()[0]
    parser = argparse.ArgumentParser(prog=NAME, description=summary)
    parser.add_argument("action", choices=ACTIONS)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    installed.mark_in_use()
    try:
        answer = act(arguments.action, Config.load())
    except BackupError as error:
        if arguments.json:
            print(json.dumps({"ok": False, "error": str(error), "detail": error.detail}))
        print(error, file=sys.stderr)
        return 1
    except lifeline.Abandoned:
        return 1
    if arguments.json:
        print(json.dumps({"ok": True, **answer}))
    else:
        print("\n".join(lines(answer)), flush=True)
    return 1 if arguments.action == "watch" and answer["colour"] == "red" else 0


def act(action: str, config: Config) -> dict[str, Any]:
    """Do it; gives what it answers.

    Raises:
        BackupError: it failed.
    """
    # What only one of the actions needs is imported for it alone.
    if action in ("begin", "make"):
        from espalier_machine.database_backup import backup

        return backup.begin(config) if action == "begin" else backup.make(config)
    if action in ("find", "plan", "restore"):
        from espalier_machine.database_backup import restore
        from espalier_machine.database_backup.target import Target

        said = json.loads(sys.stdin.readline())
        if action == "find":
            return {"target": restore.find(config, said)[0].as_json()}
        if action == "plan":
            return restore.plan(config, said)
        return restore.restore(config, Target(**said))
    if action == "plan-table":
        from espalier_machine.database_backup import single_table

        return single_table.plan(config, json.loads(sys.stdin.readline()))
    if action in ("restore-table", "export"):
        from espalier_machine.database_backup import export, single_table

        said = json.loads(sys.stdin.readline())
        lifeline.follow_input()
        os.nice(NICE)
        return (export.export if action == "export" else single_table.bring)(config, said)
    if action == "standby":
        from espalier_machine.database_backup import standby

        said = json.loads(sys.stdin.readline())
        lifeline.follow_input()
        return standby.fetch(config, Path(said.pop("into")), standby.Primary(**said))
    if action == "drill":
        from espalier_machine.database_backup import drill

        return drill.drill(config)
    if action == "count":
        from espalier_machine.database_backup import rows

        return rows.write(config)
    if action == "report":
        from espalier_machine.database_backup import state

        return {"drill": state.load("drill"), **state.load("drills")}
    if action == "look":
        from espalier_machine.database_backup import look

        return look.look(config)
    if action == "verify":
        from espalier_machine.database_backup import verify

        verify.verify(config)
        return {"verified": True}
    from espalier_machine.database_backup import status, watch

    return watch.watch(config) if action == "watch" else status.status(config)


def lines(answer: dict[str, Any]) -> list[str]:
    """An answer for a person on the machine, and for the journal."""
    if "findings" in answer:
        told = [f"{one['colour']}: {one['sentence']}" for one in answer["findings"]]
        backups = counted(len(answer["backups"]), "backup")
        return told or [f"green: {backups} at {answer['destination']}"]
    return [f"{name}: {value}" for name, value in answer.items() if value not in ("", {}, [])]
