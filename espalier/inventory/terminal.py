"""Run a command as root on a machine, on a pseudo-terminal between a person and ssh.

What the command prints reaches the person's terminal, what they type reaches the command. sudo's
question is answered once, with the password that the inventory has; when it comes again the answer
was wrong, and the person is asked.
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
QUESTION = "[sudo] password: "
# What `as_root` prints before the command: a control character that terminals do not show.
AS_ROOT, AS_ROOT_ESCAPE = b"\x1e", "\\\\036"


def run(argv: Sequence[str], environment: Mapping[str, str], password: str) -> int:
    """Run a command; gives its exit status, 128 and the number of a signal that ended it.

    Args:
        argv: the command.
        environment: its environment.
        password: the answer to QUESTION.
    """
    process, master = pty.fork()
    if process == 0:
        os.execvpe(argv[0], list(argv), dict(environment))
    _resize(master)
    before = signal.signal(signal.SIGWINCH, lambda *_: _resize(master))
    settings = termios.tcgetattr(sys.stdin)
    try:
        tty.setraw(sys.stdin)
        _copy(master, password)
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSAFLUSH, settings)
        signal.signal(signal.SIGWINCH, before)
        os.close(master)
    _, status = os.waitpid(process, 0)
    code = os.waitstatus_to_exitcode(status)
    return 128 - code if code < 0 else code


def _resize(master: int) -> None:
    termios.tcsetwinsize(master, termios.tcgetwinsize(sys.stdin))


def _copy(master: int, password: str) -> None:
    """Copy both ways until the command has ended; answer sudo, before the command itself begins."""
    keyboard: list[Any] = [sys.stdin.fileno()]
    is_asking, unread = True, b""
    while True:
        ready, _, _ = select.select([master, *keyboard], [], [])
        if master in ready:
            try:
                output = os.read(master, CHUNK)
            except OSError:  # how Linux says that the other side is closed
                return
            if not output:
                return
            if is_asking:
                unread += output.partition(AS_ROOT)[0]
                if QUESTION.encode() in unread:
                    os.write(master, f"{password}\n".encode())
                    is_asking = False
                elif AS_ROOT in output:
                    is_asking = False
            os.write(sys.stdout.fileno(), output.replace(AS_ROOT, b""))
        elif keyboard[0] in ready:
            if typed := os.read(keyboard[0], CHUNK):
                os.write(master, typed)
            else:
                keyboard = []
