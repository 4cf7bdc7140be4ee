"""Runs `ansible-playbook`, and follows what happens in it: the one way to run a playbook."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO, Any, TextIO

from espalier import paths
from espalier.environment import ansible_program
from espalier.progress.events import VARIABLE, Follower
from espalier.progress.screen import Stream

LOOK_EVERY = 0.05  # seconds
PATIENCE = 3  # seconds after Ctrl-C, which reaches Ansible by itself where it was typed
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True)
class Playbook:
    """A playbook that is to run on the machines of an inventory.

    Attributes:
        path: its file.
        arguments: of ansible-playbook: the inventory, how machines are reached, what is wanted.
        variables: of its environment; passwords that a person typed are among them.
        environment: a word for the site, for the name of the log.
        kind: what the log is of, as `site` or `remove`.
        again: the command that a person types to do the same again.
    """

    path: Path
    arguments: Sequence[str]
    variables: Mapping[str, str] = field(default_factory=dict, repr=False)
    environment: str = ""
    kind: str = ""
    again: str = ""


class Interrupt:
    """Whether somebody wants the run to end, and since when (`time.monotonic()`)."""

    since: float | None = None
    passed_on = False


def run_playbook(
    playbook: Playbook,
    arguments: Sequence[str],
    log: IO[str],
    take: Callable[[Mapping[str, Any]], object],
    *,
    words: TextIO | None = None,
    errors: IO[str] | None = None,
    colours: bool = False,
    settings: Mapping[str, str] | None = None,
    may_ask: bool = True,
) -> tuple[int, bool]:
    """Run a playbook; gives Ansible's exit status, and whether it was interrupted.

    Args:
        playbook: which one, and where.
        arguments: more of them for ansible-playbook.
        log: gets everything that Ansible writes.
        take: gets each event.
        words: gets everything that Ansible writes, too.
        errors: gets what Ansible writes to its standard error, instead of `log`.
        colours: whether Ansible writes in colours; `log` has none where there are `words`.
        settings: for Ansible's environment.
        may_ask: ssh may ask at this terminal, as for the passphrase of a key.
    """
    program = ansible_program("ansible-playbook")
    command = [program, str(playbook.path), *playbook.arguments, *arguments]
    given = {**playbook.variables, **(settings or {})}
    with NamedTemporaryFile(prefix="espalier-") as file, _interruptible() as interrupt:
        process = subprocess.Popen(
            command,
            stdin=None if may_ask else subprocess.DEVNULL,
            stdout=subprocess.PIPE if words else log,
            stderr=errors or subprocess.STDOUT,
            env=_environment(file.name, colours) | given,
            text=True,
            errors="replace",
            # Without a terminal ssh cannot ask whether it should trust a machine.
            start_new_session=not may_ask,
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
            _pass_on(interrupt, process, PATIENCE if may_ask else 0)
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


def _pass_on(interrupt: Interrupt, process: subprocess.Popen[str], patience: float) -> None:
    """Interrupt Ansible where it was not by itself: `kill` reaches this process alone."""
    if interrupt.since is None or interrupt.passed_on:
        return
    if time.monotonic() - interrupt.since > patience:
        interrupt.passed_on = True
        process.send_signal(signal.SIGINT)
