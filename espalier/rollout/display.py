"""Steps as a person sees them: plain lines in a pipe; on a terminal the seconds of a step run."""

from __future__ import annotations

import os
import sys
import threading
import time
from contextlib import suppress
from typing import TextIO

REFRESH = 0.5  # seconds between two looks of the line that shows what is running


class Display:
    """Writes a line for each step that has ended, and one that changes for those that run."""

    def __init__(self, stream: TextIO | None = sys.stderr) -> None:
        """Write to a stream; to none if it is None."""
        self.stream = stream
        self.is_terminal = bool(stream and stream.isatty())
        self.running: dict[tuple[str, str], float] = {}
        self._closed = threading.Event()
        if self.is_terminal:
            threading.Thread(target=self._refresh, daemon=True).start()

    def begin(self, step: str, machine: str) -> None:
        """A machine begins a step."""
        self.running[step, machine] = time.monotonic()
        self._show_running()

    def end(self, step: str, machine: str, seconds: float, note: str) -> None:
        """A machine has ended a step."""
        self.running.pop((step, machine), None)
        self.line(f"  {step:<9} {machine:<12} {seconds:6.1f} s  {note}".rstrip())
        self._show_running()

    def doing(self) -> str:
        """What runs now, in a few words, for whoever is kept waiting."""
        return ", ".join(f"{step} {machine}" for step, machine in self.running) or "begin"

    def line(self, text: str) -> None:
        """Write a line of its own."""
        if self.stream:
            clear = "\r\x1b[K" if self.is_terminal else ""
            self._write(f"{clear}{text}\n")

    def close(self) -> None:
        """Nothing runs any more."""
        self._closed.set()
        self.running.clear()
        if self.stream and self.is_terminal:
            self._write("\r\x1b[K")

    def _show_running(self) -> None:
        if self.stream and self.is_terminal and self.running and not self._closed.is_set():
            now = time.monotonic()
            parts = [f"{s} {m} {now - began:.0f} s" for (s, m), began in self.running.items()]
            self._write(f"\r\x1b[K  … {', '.join(parts)}"[:120])

    def _write(self, text: str) -> None:
        """Write, as long as somebody reads: a pipe that is closed (`| head`) ends no release."""
        if self.stream is None:
            return
        stream = self.stream
        try:
            stream.write(text)
            stream.flush()
        except (OSError, ValueError):
            self.stream = None
            # Python writes what is left at its end, and would fail then.
            with suppress(OSError, ValueError), open(os.devnull, "w") as nowhere:
                os.dup2(nowhere.fileno(), stream.fileno())

    def _refresh(self) -> None:
        while not self._closed.wait(REFRESH):
            self._show_running()
