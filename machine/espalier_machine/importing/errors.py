"""The one kind of error: a sentence for a person."""

from __future__ import annotations


class ImportingError(Exception):
    """What went wrong, in a sentence; `detail` is what a tool printed."""

    def __init__(self, sentence: str, detail: str = "") -> None:
        """Take the sentence, and what a tool printed."""
        super().__init__(sentence)
        self.detail = detail
