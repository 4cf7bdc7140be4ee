"""What can go wrong: each error is a sentence for a person."""

from __future__ import annotations

import dataclasses
from typing import Any


@dataclasses.dataclass(eq=False)
class ReleaseError(Exception):
    """A step failed: `step` in a word, `sentence` for a person, `detail` as the tool printed it."""

    step: str
    sentence: str
    detail: str = ""


class OutOfMemory(ReleaseError):
    """A command was ended as it needs more memory than there is; nothing installed changes that."""


class UsageError(Exception):
    """The command was called wrongly; the message is a sentence for a person."""


@dataclasses.dataclass(eq=False)
class Busy(Exception):
    """Another release is running; `holder` is what it wrote about itself: pid, what, since, by.

    `program` stands before `what` where that is the rest of a command line, and ends with a space.
    """

    holder: dict[str, Any]
    program: str = ""

    @property
    def sentence(self) -> str:
        """What to tell a person."""
        known = f"{{by}}, since {{since}}: {self.program}{{what}}, pid {{pid}} here"
        who = known.format_map(self.holder) if self.holder else "it has just begun"
        return f"another release is running ({who}); wait for it, or stop that process."


class LockLost(Busy):
    """Nobody holds the lock over the site any more that this command belongs to."""

    @property
    def sentence(self) -> str:
        """What to tell a person."""
        return (
            "the lock over the site was lost, as the connection to this machine was interrupted; "
            "nothing was done here."
        )
