"""What commands share that make or read a recording: which one, and how it goes on the screen."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from espalier.cli.command import selected
from espalier.insight.recording import Recording, Step
from espalier.inventory.site import Site
from espalier.measuring.session import Progress
from espalier.measuring.store import Store, read_file
from espalier.measuring.words import duration, step_line
from espalier.progress.screen import DIM, Screen
from espalier_machine.common.text import counted

INTERRUPTED = 130


@contextmanager
def progress(site: Site, seconds: float, silent: bool) -> Iterator[Progress]:
    """Show how a recording goes, on stderr.

    Args:
        site: what is recorded.
        seconds: how long, at most; 0 where that depends on a load.
        silent: show nothing.
    """
    now: list[str] = ["connects to the machines …"]
    until: list[float] = []

    def running() -> str:
        left = f", {duration(max(until[0] - time.time(), 0))} left" if until else ""
        return now[0] + left

    screen = Screen(None if silent else sys.stderr, running)

    def began() -> None:
        machines = counted(len(site.topology["machines"]), "machine")
        length = f" for {duration(seconds)}" if seconds else ""
        screen.line(f"Recording {machines}{length}. Ctrl-C ends it, and keeps what there is.", DIM)
        now[0] = "records"
        if seconds:
            until.append(time.time() + seconds)

    def rate(value: float) -> None:
        now[0] = f"sends {value:.1f} requests/s"

    def step(one: Step) -> None:
        screen.line(step_line(one))

    def gathering() -> None:
        until.clear()
        now[0] = "gathers what the machines have recorded"

    screen.watch()
    try:
        yield Progress(began, gathering, rate, step)
    finally:
        screen.close()


def told_errors(recording: Recording) -> list[str]:
    """What could not be read, machine by machine."""
    return [
        f"{name}: {error}" if name not in error else error
        for name, machine in recording.machines.items()
        for error in machine.errors
    ]


def chosen(environment: str, inventory: Path | None, name: str) -> tuple[Recording, Store | None]:
    """The recording that is meant, and the measurements that it is one of.

    Args:
        environment, inventory: as the shared options have them.
        name: a recording's, or the path of any file, which needs no environment; "" for the
            newest one.

    Raises:
        SiteError: there is none.
    """
    file = Path(name)
    if name and file.is_file():
        read, store = read_file(file), Store(file.resolve().parent.parent)
        return read, store if file.resolve() == store.path(read.id) else None
    store = Store(selected({"environment": environment, "inventory": inventory}).inventory)
    return (store.read(name) if name else store.newest()), store
