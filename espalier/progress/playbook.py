"""Runs `ansible-playbook site.yml`, and follows what happens in it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO, Any, TextIO

from espalier import paths
from espalier.progress.events import VARIABLE, Follower
from espalier.progress.screen import Stream

LOOK_EVERY = 0.05  # seconds
PATIENCE = 3  # seconds after Ctrl-C, which reaches Ansible by itself where it was typed
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


class Interrupt:
    """Whether somebody wants the run to end, and since when (`time.monotonic()`)."""

    since: float | None = None
    passed_on = False


def run_playbook(
    arguments: Sequence[str],
    log: IO[str],
    take: Callable[[Mapping[str, Any]], object],
    *,
    words: TextIO | None = None,
    errors: IO[str] | None = None,
    colours: bool = False,
    settings: Mapping[str, str] | None = None,
) -> tuple[int, bool]:
    """Run site.yml; gives Ansible's exit status, and whether it was interrupted.

    Args:
        arguments: of ansible-playbook, which asks for passwords on the terminal itself.
        log: gets everything that Ansible writes.
        take: gets each event.
        words: gets everything that Ansible writes, too.
        errors: gets what Ansible writes to its standard error, instead of `log`.
        colours: whether Ansible writes in colours; `log` has none where there are `words`.
        settings: for Ansible's environment.
    """
    # Ansible's own command of this installation, whatever is first in the PATH.
    program = Path(sys.executable).with_name("ansible-playbook")
    command = [str(program), str(paths.SITE_PLAYBOOK), *arguments]
    with NamedTemporaryFile(prefix="espalier-") as file, _interruptible() as interrupt:
        process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE if words else log,
            stderr=errors or subprocess.STDOUT,
            env=_environment(file.name, colours) | dict(settings or {}),
            text=True,
            errors="replace",
        )
        copier = threading.Thread(target=_copy, args=(process.stdout, log, words), daemon=True)
        copier.start()
        follower = Follower(Path(file.name))
        while True:
            ended = process.poll() is not None  # before what it wrote last is read
            for event in follower.read():
                take(event)
            if ended:
                break
            _pass_on(interrupt, process)
            time.sleep(LOOK_EVERY)
        follower.close()
        copier.join()
        return process.returncode, interrupt.since is not None


def _environment(events: str, colours: bool) -> dict[str, str]:
    enabled = os.environ.get("ANSIBLE_CALLBACKS_ENABLED", "")
    environment = {
        "ANSIBLE_CONFIG": str(paths.ANSIBLE_CONFIG),
        **os.environ,
        VARIABLE: events,
        "ANSIBLE_CALLBACKS_ENABLED": ",".join(filter(None, [enabled, "progress"])),
        "ANSIBLE_STDOUT_CALLBACK": "default",
    }
    environment.pop("ANSIBLE_FORCE_COLOR", None)
    if not colours:
        environment["ANSIBLE_NOCOLOR"] = "1"
    elif "NO_COLOR" not in environment:
        environment["ANSIBLE_FORCE_COLOR"] = "1"
    return environment


def _copy(source: IO[str] | None, log: IO[str], words: TextIO | None) -> None:
    """Copy to the end, whoever reads: Ansible would wait for ever on a pipe that is full."""
    person = Stream(words) if words else None
    for line in source or ():
        with suppress(OSError):  # the disk is full
            log.write(_COLOURS.sub("", line))
            log.flush()
        if person:
            person.write(line)
            person.flush()


@contextmanager
def _interruptible() -> Iterator[Interrupt]:
    """Have Ctrl-C, or the end that CI asks for, end Ansible and not this process."""
    interrupt = Interrupt()

    def note(number: int, frame: object) -> None:
        interrupt.since = interrupt.since or time.monotonic()

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number, handler in before.items():
        if handler != signal.SIG_IGN:  # a job in the background
            signal.signal(number, note)
    try:
        yield interrupt
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _pass_on(interrupt: Interrupt, process: subprocess.Popen[str]) -> None:
    """Interrupt Ansible where it was not by itself: `kill` reaches this process alone."""
    if interrupt.since is None or interrupt.passed_on:
        return
    if time.monotonic() - interrupt.since > PATIENCE:
        interrupt.passed_on = True
        process.send_signal(signal.SIGINT)
