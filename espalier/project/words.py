"""Pieces of sentences for people."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from typing import Any


def word_set(text: str) -> frozenset[str]:
    """The words of a text that is split at spaces and line ends."""
    return frozenset(text.split())


def listed(items: Iterable[str]) -> str:
    """Several words to write, each between backticks, with commas."""
    return ", ".join(f"`{item}`" for item in items)


def suggestion(word: Any, known: Iterable[str], otherwise: str) -> str:
    """What to write instead of a word that is not known: the nearest one, or which there are."""
    words = list(known)
    near = difflib.get_close_matches(str(word), words, n=1, cutoff=0.6)
    return f"did you mean `{near[0]}`?" if near else f"{otherwise} {listed(words)}."


def kind_of(value: Any) -> str:
    """The type of a YAML value, in the words of somebody who writes YAML."""
    if value is None:
        return "missing value"
    kinds: tuple[tuple[type | tuple[type, ...], str], ...] = (
        (bool, "true/false value"),
        ((int, float), "number"),
        (str, "text"),
        ((list, tuple), "list"),
        (Mapping, "dictionary"),
    )
    return next((word for kind, word in kinds if isinstance(value, kind)), type(value).__name__)


def note(label: str, value: str, found: str = "") -> str:
    """A line to show before a release: what it is, its value, and where it was found."""
    return f"{label:<13}{value}" + (f" ({found})" if found else "")


def last_line(text: str) -> str:
    """The last line of what a program printed, without git's prefix and the full stop.

    What git adds to each failure of SSH says nothing.
    """
    reason = re.sub(r"(?m)^(Please make sure you have|and the repository exists).*\n?", "", text)
    reason = re.sub(r"(?m)^fatal: Could not read from remote repository.*\n?", "", reason) or reason
    lines = [line.strip() for line in reason.splitlines() if line.strip()]
    return re.sub(r"^(fatal|error): ", "", lines[-1]).rstrip(".") if lines else "no reason given"


def without_password(url: str) -> str:
    """A URL, or a text with URLs, without `user:password@`, for people to read."""
    return re.sub(r"(://)[^/\s]*@", r"\1", url)
