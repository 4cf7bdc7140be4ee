"""Words for people: tables, times, sizes, plurals, and the line of an output that matters."""

from __future__ import annotations

import codecs
import datetime
import io
from collections.abc import Sequence


def decoded(content: bytes, errors: str = "strict") -> str:
    """A file's text: of UTF-8, or of UTF-16 with a mark at its start, as PowerShell writes it."""
    marks = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
    encoding = "utf-16" if content.startswith(marks) else "utf-8-sig"
    return io.TextIOWrapper(io.BytesIO(content), encoding, errors).read()


def last_line(output: str) -> str:
    """The last line that says something, which is where tracebacks name the error."""
    return ([line.strip() for line in output.splitlines() if line.strip()] or ["no output"])[-1]


def format_table(rows: Sequence[Sequence[str]]) -> str:
    """Rows of text as aligned columns."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)


def counted(number: int, what: str) -> str:
    """`1 change`, `2 changes`."""
    return f"{number} {what}{'' if number == 1 else 's'}"


def shown_size(count: float) -> str:
    """Bytes for a person: `31 MB`; from a thousand of those on, `1.4 GB`."""
    return f"{count / 1e6:.0f} MB" if count < 1e9 else f"{count / 1e9:.1f} GB"


def now() -> str:
    """The time in UTC, as text that sorts."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
