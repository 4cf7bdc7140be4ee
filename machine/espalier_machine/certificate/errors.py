"""What can go wrong."""

from __future__ import annotations


class CertificateError(Exception):
    """A sentence for a person.

    Attributes:
        by_authority: whether the authority has refused; then nobody asks it again before its time.
        wait: seconds that it wants to be left alone, 0 where it did not say.
    """

    def __init__(self, text: str, *, by_authority: bool = False, wait: float = 0) -> None:
        """Keep the sentence and what it means for the next try."""
        super().__init__(text)
        self.by_authority = by_authority
        self.wait = wait
