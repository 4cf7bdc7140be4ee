"""What is printed while a command works: steps, their seconds, their notes."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from espalier_machine.release.disk import explain_os_error
from espalier_machine.release.errors import ReleaseError


class Progress:
    """Lines on stderr: each step, how long it took (s), and its notes after it."""

    def __init__(self) -> None:
        """Begin without notes."""
        self.notes: list[str] = []
        self.told: list[str] = []

    def write(self, text: str) -> None:
        """Print without a newline; a reader that went away must not stop a release."""
        with suppress(OSError):
            print(text, end="", file=sys.stderr, flush=True)

    def note(self, text: str) -> None:
        """Say `text` when the running step ends."""
        self.notes.append(text)

    def tell(self, text: str) -> None:
        """Say `text` here, and to whoever asked from elsewhere: it is for a person to act on."""
        self.note(text)
        self.told.append(text)

    @contextmanager
    def step(self, name: str, text: str) -> Iterator[None]:
        """Time one step; an OSError inside becomes a ReleaseError of this step."""
        started = time.monotonic()
        self.write(f"  {text:<44}")
        try:
            yield
        except OSError as error:
            raise ReleaseError(name, explain_os_error(error)) from error
        else:
            self.write(f"{time.monotonic() - started:6.1f} s")
        finally:
            self.write("\n" + "".join(f"      {note}\n" for note in self.notes))
            self.notes.clear()
