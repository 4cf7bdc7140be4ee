"""A length of time on the command line: `30s`, `10m`, `1h`."""

from __future__ import annotations

import re

import click

UNITS = {"s": 1, "m": 60, "h": 3600}
DAY = 24 * 3600


class Duration(click.ParamType[float]):
    """Seconds, from `30s`, `10m`, `1h` or a bare number of seconds."""

    name = "duration"

    def __init__(self, least: float = 1, most: float = DAY) -> None:
        """Take the bounds, in seconds."""
        self.least, self.most = least, most

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Seconds; a click.BadParameter where it is no length of time, or out of bounds."""
        found = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", str(value).strip())
        if not found:
            self.fail(f"{value!r} is no length of time: write 30s, 10m or 1h.", param, ctx)
        seconds = float(found[1]) * UNITS[found[2] or "s"]
        if not self.least <= seconds <= self.most:
            self.fail(
                f"{value} is out of bounds: from {written(self.least)} to {written(self.most)}.",
                param,
                ctx,
            )
        return seconds


def written(seconds: float) -> str:
    """A length of time as it is typed."""
    for unit, size in (("h", 3600), ("m", 60)):
        if seconds >= size and seconds % size == 0:
            return f"{seconds / size:g}{unit}"
    return f"{seconds:g}s"
