"""Run a command on a pseudo-terminal of its own, between a person and the machine.

What the command prints reaches the person's terminal, what they type reaches the command. A
question whose answer is known (sudo's, for the password that the inventory has) is answered once;
when it comes again the answer was wrong, and the person is asked.
"""

from __future__ import annotations

import os
import pty
import select
import signal
import sys
import termios
import tty
from collections.abc import Mapping, Sequence
from typing import Any

CHUNK = 65536  # bytes


def run(argv: Sequence[str], environment: Mapping[str, str], answers: Mapping[str, str]) -> int:
    """Run a command; gives its exit status, 128 and the number of a signal that ended it.

    Args:
        argv: the command.
        environment: its environment.
        answers: by question, as the command prints it, what to type.
    """
    process, master = pty.fork()
    if process == 0:
        os.execvpe(argv[0], list(argv), dict(environment))
    _resize(master)
    before = signal.signal(signal.SIGWINCH, lambda *_: _resize(master))
    settings = termios.tcgetattr(sys.stdin)
    try:
        tty.setraw(sys.stdin)
        _copy(master, dict(answers))
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSAFLUSH, settings)
        signal.signal(signal.SIGWINCH, before)
        os.close(master)
    _, status = os.waitpid(process, 0)
    code = os.waitstatus_to_exitcode(status)
    return 128 - code if code < 0 else code


def _resize(master: int) -> None:
    termios.tcsetwinsize(master, termios.tcgetwinsize(sys.stdin))


def _copy(master: int, answers: dict[str, str]) -> None:
    """Copy both ways until the command has ended; answer questions."""
    keyboard: list[Any] = [sys.stdin.fileno()]
    unread = ""
    while True:
        ready, _, _ = select.select([master, *keyboard], [], [])
        if master in ready:
            try:
                output = os.read(master, CHUNK)
            except OSError:  # how Linux says that the other side is closed
                return
            if not output:
                return
            os.write(sys.stdout.fileno(), output)
            unread = (unread + output.decode(errors="replace"))[-1000:]
            for question in [one for one in answers if one in unread]:
                os.write(master, f"{answers.pop(question)}\n".encode())
                unread = ""
        elif keyboard[0] in ready:
            if typed := os.read(keyboard[0], CHUNK):
                os.write(master, typed)
            else:
                keyboard = []
