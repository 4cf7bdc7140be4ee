"""Steps as a person sees them: a line for each that has ended, and on a terminal what runs."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TextIO

from espalier.progress.events import send
from espalier.progress.report import CUT_OFF, FAILED, step_line
from espalier.progress.screen import Screen


class Display:
    """Shows steps on a stream and in a log; and to whoever watches the run that this is part of."""

    def __init__(self, stream: TextIO | None = sys.stderr, log: TextIO | None = None) -> None:
        """Show on a stream, nowhere if it is None; the log gets the same lines."""
        self.running: dict[tuple[str, str], float] = {}
        self._screen = Screen(stream, self._running_line)
        self._log = Screen(log)

    def begin(self, step: str, machine: str) -> None:
        """A machine begins a step."""
        self._screen.watch()
        self.running[step, machine] = time.monotonic()
        send("running", what=self.doing())

    def end(
        self, step: str, machine: str, seconds: float, note: str, told: Iterable[str] = ()
    ) -> None:
        """A machine has ended a step; `told` is what it wants a person to know."""
        self.running.pop((step, machine), None)
        text, look = step_line(step, machine, seconds, note)
        more = [f"{'':<13}{line}" for line in told]
        self.line(text, look)
        for line in more:
            self.line(line)
        send("steps", lines=[text.strip(), *more])
        send("running", what=self.doing())

    @contextmanager
    def step(self, step: str, machine: str) -> Iterator[list[str]]:
        """Show a step while it runs, and when it has ended, with the notes that it collects."""
        began, notes = time.monotonic(), list[str]()
        self.begin(step, machine)
        try:
            yield notes
        except BaseException as error:
            notes = [FAILED if isinstance(error, Exception) else CUT_OFF]
            raise
        finally:
            self.end(step, machine, time.monotonic() - began, ", ".join(notes))

    def doing(self) -> str:
        """What runs now, in a few words, for whoever is kept waiting."""
        return ", ".join(f"{step} {machine}" for step, machine in self.running) or "begin"

    def line(self, text: str, mark: str = "") -> None:
        """Show a line of its own."""
        self._screen.line(text, mark)
        self._log.line(text)

    def close(self) -> None:
        """Nothing runs any more."""
        self.running.clear()
        self._screen.close()

    def _running_line(self) -> str:
        now = time.monotonic()
        began = list(self.running.items())
        return ", ".join(f"{step} {name} {now - then:.0f} s" for (step, name), then in began)
