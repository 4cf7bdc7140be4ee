"""Words that people type: which known word was meant."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def did_you_mean(word: object, known: Iterable[str]) -> str:
    """Return " Did you mean `x`?", or "" when nothing is near."""
    near = get_close_matches(str(word).lower().replace("-", "_"), known, 1)
    return f" Did you mean `{near[0]}`?" if near else ""
