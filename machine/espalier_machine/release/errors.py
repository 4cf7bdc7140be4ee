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


class UsageError(Exception):
    """The command was called wrongly; the message is a sentence for a person."""


@dataclasses.dataclass(eq=False)
class Busy(Exception):
    """Another release is running; `holder` is what it wrote about itself: pid, what, since, by.

    `command` stands before `what` in the sentence: a lock of this machine is held by a command of
    `release`, that of the whole site by a step of the control machine.
    """

    holder: dict[str, Any]
    command: str = "release "

    @property
    def sentence(self) -> str:
        """What to tell a person."""
        known = f"{{by}}, since {{since}}: {self.command}{{what}}, pid {{pid}} here"
        who = known.format_map(self.holder) if self.holder else "it has just begun"
        return f"another release is running ({who}); wait for it, or stop that process."
