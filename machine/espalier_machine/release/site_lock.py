"""The lock over the whole site, held on this machine for a release that runs elsewhere."""

from __future__ import annotations

import json
import os
import select
from collections.abc import Callable
from typing import BinaryIO

from espalier_machine.common.text import now
from espalier_machine.release.errors import Busy, LockLost
from espalier_machine.release.locks import acquire, lock_body, lock_holder
from espalier_machine.release.machine import Machine

HOLD_SILENCE = 30  # seconds without a heartbeat


def hold(
    machine: Machine,
    what: str,
    heartbeats: BinaryIO,
    say: Callable[[str], None],
    token: str = "",
) -> None:
    """Hold the lock over the whole site for a release that a control machine runs from elsewhere.

    Every few seconds the control machine sends a line, its heartbeat, which names the step that
    runs. The lock is free again when the heartbeats end, or are missing for HOLD_SILENCE seconds:
    a control machine that was switched off, or lost its network, blocks nobody. The lock's file
    then keeps its content, so that the next one learns that a release was cut off. Raises Busy if
    another one holds the lock.

    The line `done` ends it well, and the content is removed. The line `withdrawn` ends it as if it
    had never been: another machine did not give the lock, and nothing was done. Who stops this
    process (SIGTERM, here SystemExit) takes the lock from its control machine for good.

    `say` is given one JSON object: `token`, which the commands of this release bring along, and
    `cut_off`, what the last holder wrote if it did not end by itself, else null. Who lost the lock
    brings its `token`: it gets the same one if nobody else has held the lock since, and tells by
    `cut_off` whether that is so.
    """
    with os.fdopen(os.open(machine.site_lock_file, os.O_RDWR | os.O_CREAT, 0o600), "r+") as file:
        if not acquire(file):
            raise Busy(lock_body(machine.site_lock_file, attempts=20))
        cut_off = lock_body(machine.site_lock_file)
        is_same = bool(token) and cut_off.get("token") == token
        if not is_same:
            token = os.urandom(8).hex()
        # `what` comes last, as it changes with every heartbeat: who reads while one is written may
        # get the beginning of the new text and the end of the old one, and finds the token whole.
        body = {"pid": os.getpid(), "since": now(), "by": machine.by, "token": token, "what": what}

        def write(text: str) -> None:
            # Never shorter than before, so that nothing of the old text is left behind the new one.
            size = os.fstat(file.fileno()).st_size if text else 0
            os.pwrite(file.fileno(), text.encode().ljust(size), 0)
            if not text:
                file.truncate(0)

        write(json.dumps(body))
        try:
            say(json.dumps({"token": body["token"], "cut_off": cut_off or None}))
            end = _follow(heartbeats, lambda doing: write(json.dumps(body | {"what": doing})))
        except SystemExit:  # somebody stopped this process: its control machine takes nothing again
            write(json.dumps({key: value for key, value in body.items() if key != "token"}))
            raise
        if end == "done":
            write("")
        elif end == "withdrawn":
            write(json.dumps(cut_off) if cut_off else "")


def _follow(heartbeats: BinaryIO, note: Callable[[str], None]) -> str:
    """Note what is being done, as heartbeats tell it; gives how they end, or "" if cut off."""
    left = b""
    while select.select([heartbeats], [], [], HOLD_SILENCE)[0]:
        read = os.read(heartbeats.fileno(), 4096)
        if not read:
            return ""
        *lines, left = (left + read).split(b"\n")
        for line in lines:
            if line in (b"done", b"withdrawn"):
                return line.decode()
            if line:
                note(line.decode(errors="replace"))
    return ""


def check_site_lock(machine: Machine, token: str) -> None:
    """Raise Busy if a release of the whole site runs that this command does not belong to.

    Raises LockLost if the command belongs to one that holds the lock no more: another release may
    begin at any moment.
    """
    holder = lock_holder(machine.site_lock_file)
    if holder is None and token:
        raise LockLost({})
    if holder is not None and holder.get("token") != token:
        raise Busy(holder)
