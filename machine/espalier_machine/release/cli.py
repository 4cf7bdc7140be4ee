"""Build, switch and roll back the releases of a Django project on this machine.

    release deploy ARCHIVE      build it, migrate, put it live without a failed request, tidy up
    release rollback            the release that was live before; about a second
    release status              what is live, and is it well

A release is built whole under releases/<id> and never changed after. Two web units, the slots blue
and green, take turns: the new release starts in the idle slot, is probed over its own unix socket,
and goes live when one symlink (the one nginx connects through) is renamed. Whatever fails before
that rename is undone; the live release is never touched.

Root runs this command. Files of the project are made, and its code is run, as the project's user.
Exit status: 0 done, 1 failed, 2 wrong use, 3 another release is running, or the lock was lost.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from collections.abc import Sequence
from typing import Any

from espalier_machine.common import installed
from espalier_machine.release.arguments import READING, parse_arguments
from espalier_machine.release.config import Config
from espalier_machine.release.disk import explain_os_error
from espalier_machine.release.dispatch import find_command
from espalier_machine.release.errors import Busy, ReleaseError, UsageError
from espalier_machine.release.machine import Machine
from espalier_machine.release.progress import Progress
from espalier_machine.release.several_machines import refuse_one_of_several

DETAIL_SHOWN = 40  # lines of what a tool printed, on this machine's own terminal


def fail_on_signal(number: int, frame: object) -> None:
    """Make a signal fail the running step, which undoes what the run made."""
    raise ReleaseError("stopped", f"stopped by {signal.Signals(number).name}.")


def perform(machine: Machine, args: argparse.Namespace) -> dict[str, Any]:
    """Run the command, under the lock if it changes anything."""
    run = find_command(args.command)
    machine.by = " ".join(args.by.split())
    if args.command in READING:
        return run(machine, args)
    if os.geteuid() not in (0, machine.account.pw_uid):
        raise UsageError(f"root's rights are needed; run: sudo release {args.command} ...")
    if args.command == "hold":  # changes nothing, and may just end
        return run(machine, args)
    refuse_one_of_several(machine.config, args)
    from espalier_machine.release.locks import locked
    from espalier_machine.release.site_lock import check_site_lock

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, fail_on_signal)
    check_site_lock(machine, args.token)
    operand = getattr(args, "archive", None) or getattr(args, "id", None) or ""
    with locked(machine, f"{args.command} {operand}".strip()):
        # Again: from here on, no other release can do anything here before this command has ended.
        check_site_lock(machine, args.token)
        machine.ensure_directories()
        return run(machine, args)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    args = parse_arguments(argv)
    os.umask(0o022)
    installed.mark_in_use()
    machine, detail = None, ""
    result: dict[str, Any] = {"ok": False}
    try:
        machine = Machine(Config.find(args.project), Progress())
        result = {"ok": True} | perform(machine, args)
        result |= {"told": machine.progress.told} if machine.progress.told else {}
        status, text = 0, result.pop("message")
    except UsageError as error:
        result |= {"step": "usage", "error": str(error), "detail": ""}
        status, text = 2, f"release: {error}"
    except Busy as error:
        result |= {"step": "lock", "error": error.sentence, "detail": "", "lock": error.holder}
        status, text = 3, f"release: {error.sentence}"
    except (ReleaseError, OSError) as caught:
        failed = caught
        if isinstance(failed, OSError):
            failed = ReleaseError(args.command, explain_os_error(failed))
        detail = failed.detail
        result |= {"step": failed.step, "error": failed.sentence, "detail": detail}
        status, text = 1, f"release: {failed.step} failed: {failed.sentence}"
    if machine and args.command not in (*READING, "hold"):
        from espalier_machine.release.status import live_state

        result["live"] = live = live_state(machine)
        if status == 1:
            name = f"The release {live['id']}" if live else "No release"
            serving = f"{name} is {'still serving' if live else 'live'}."
            shown = detail.splitlines()[-DETAIL_SHOWN:]
            text = "\n".join([text, *shown, serving])
    if args.json:
        print(json.dumps(result))
    else:
        print(text, file=sys.stderr if status else sys.stdout)
    return status
