"""Lines for a person: those that are told stay; on a terminal one more shows what runs now.

In a pipe they are plain lines: no colour, no control character, nothing that depends on a width.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.live import Live

GOOD, BAD, DIM, LINK = "good", "bad", "dim", "link"
_STYLES = {GOOD: "green", BAD: "red", DIM: "dim", LINK: "bold cyan"}
_SIGNS = {GOOD: "✓ ", BAD: "✗ "}

# A line, and how it looks on a terminal: GOOD, BAD, DIM, LINK or "".
Line = tuple[str, str]


class Screen:
    """Shows lines on a stream; nowhere if it is None."""

    def __init__(self, stream: TextIO | None, running: Callable[[], str] | None = None) -> None:
        """Show on a stream; `running` gives what runs now in a line, once `watch` was called."""
        self._stream = Stream(stream) if stream else None
        self._running = running or str
        self._console = _console(self._stream) if self._stream else None
        self._live: Live | None = None

    def watch(self) -> None:
        """Show what runs from now on: before that, a password may be asked for on the terminal."""
        if self._console and not self._live:
            self._live = self._start(self._console)

    def line(self, text: str, look: str = "") -> None:
        """Show a line; on a terminal a sign (GOOD, BAD) takes the place of its first two spaces."""
        if self._console:
            from rich.text import Text

            sign = _SIGNS.get(look, "") if text.startswith("  ") else ""
            body = Text(text[len(sign) :], "" if sign else _STYLES.get(look, ""))
            self._console.print(Text.assemble((sign, _STYLES.get(look, "")), body))
        elif self._stream:
            self._stream.write(f"{text}\n")
            self._stream.flush()

    def lines(self, lines: Sequence[Line]) -> None:
        """Show several lines."""
        for text, look in lines:
            self.line(text, look)

    def close(self) -> None:
        """Nothing runs any more."""
        if self._live:
            self._live.stop()
            self._live = None

    def _start(self, console: Console) -> Live:
        from rich.live import Live
        from rich.spinner import Spinner
        from rich.text import Text

        spinner = Spinner("dots", style="cyan")

        def render() -> RenderableType:
            if text := self._running():
                spinner.update(text=Text(text, "dim", no_wrap=True, overflow="ellipsis"))
                return spinner
            return Text("")

        live = Live(
            console=console,
            get_renderable=render,
            refresh_per_second=8,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        live.start()
        return live


def _console(stream: Stream) -> Console | None:
    """A console for a terminal that knows control characters; None for any other stream."""
    if not stream.isatty() or os.environ.get("TERM", "dumb") in ("dumb", "unknown"):
        return None
    # Loaded only here: a pipe has no use for it.
    from rich.console import Console

    class VisibleCursor(Console):
        def show_cursor(self, show: bool = True) -> bool:
            # A process that is killed could not show it again.
            return False

    return VisibleCursor(file=stream, highlight=False)  # type: ignore[arg-type]


class Stream:
    """A stream that nobody has to read: a closed pipe or a lost terminal ends nothing."""

    def __init__(self, stream: TextIO) -> None:
        """Write to a stream, as long as that is possible."""
        self._stream = stream
        self.encoding = stream.encoding

    def write(self, text: str) -> int:
        """Write; gives how many characters there were."""
        try:
            return self._stream.write(text)
        except (OSError, ValueError):
            self._forget()
            return len(text)

    def flush(self) -> None:
        """Write what is kept back."""
        try:
            self._stream.flush()
        except (OSError, ValueError):
            self._forget()

    def isatty(self) -> bool:
        """Whether it is a terminal."""
        return self._stream.isatty()

    def fileno(self) -> int:
        """The number of its file."""
        return self._stream.fileno()

    def _forget(self) -> None:
        # Python writes what is left at its end, and would fail then.
        with suppress(OSError, ValueError), open(os.devnull, "w") as nowhere:
            os.dup2(nowhere.fileno(), self._stream.fileno())
