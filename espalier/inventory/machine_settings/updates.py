"""`updates`: when a machine upgrades Debian's packages by itself, and whether it may reboot."""

from __future__ import annotations

import re
from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator, Field, StrictStr

from espalier.inventory.machine_settings.base import Settings

DAY = 24 * 60  # minutes
SHORTEST = 30
TIME = r"([01]?\d|2[0-3]):([0-5]\d)"


def minutes(window: str) -> tuple[int, int]:
    """Return when a window begins, in minutes of the day, and how many minutes it is long.

    Raises:
        ValueError: it is none, with a sentence.
    """
    found = re.fullmatch(rf"{TIME}\s*-\s*{TIME}", window)
    if not found:
        raise ValueError(
            f'is {window!r}, which is no window of time. Write one such as "03:00-05:00".'
        )
    begin, end = (int(found[i]) * 60 + int(found[i + 1]) for i in (1, 3))
    length = (end - begin) % DAY
    if length < SHORTEST:
        raise ValueError(
            f"is {window!r}, which is shorter than half an hour: upgrades need more. Write for "
            'example "03:00-05:00".'
        )
    return begin, length


def _window(value: Any) -> Any:
    minutes(value if isinstance(value, str) else repr(value))
    return value


class Updates(Settings):
    """The window, in the machine's own time, and whether reboots are allowed."""

    example: ClassVar[str] = 'An example: `updates: {window: "03:00-05:00", reboot: true}`.'

    window: Annotated[StrictStr, BeforeValidator(_window)] = "03:00-05:00"
    reboot: bool = Field(default=False, strict=True)
