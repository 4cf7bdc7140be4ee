"""What people read: short, with what to type next, and without secrets."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from espalier_machine.alerts.decide import News, Open
from espalier_machine.common import system

LINES, WIDTH = 15, 200  # of a unit's journal
SHOWN = 5  # units whose journal is shown
# The password of a URL, and what a name says to be secret. Best effort: a log should have neither.
SECRETS = (
    (re.compile(r"(://[^\s:/@]*:)[^\s@]+@"), r"\1***@"),
    (
        re.compile(
            r"(?i)\b([\w-]*(?:password|passwd|secret|token|api[_-]?key|authorization)[\w-]*"
            r"[\"']?\s*[=:]\s*)(?:bearer\s+|basic\s+)?[\"']?[^\s\"',;]+"
        ),
        r"\1***",
    ),
)
# What systemd writes of a unit beside the reason.
NOISE = re.compile(
    r"^\S+: (Triggering OnFailure|Scheduled restart job|Consumed |Failed with result)"
    r"|^Start(ing|ed) "
)


@dataclass(frozen=True)
class Message:
    """What is sent: a line, what everybody gets, and what only a mail has."""

    subject: str
    text: str
    journal: str = ""


def message(
    site: str, machine: str, news: News, journal: Callable[[str], Iterable[str]]
) -> Message:
    """What is told of news.

    Args:
        site: its name.
        machine: its name.
        news: what is to be told.
        journal: gives the last lines of a unit.
    """
    place = f"[{site}] {machine}"
    parts = [_sentence(unit, one) for unit, one in news.begun.items()]
    parts += [
        f"{unit} is well again; it failed at {moment(one.since)}."
        for unit, one in news.over.items()
    ]
    if news.begun:
        unit = next(iter(news.begun))
        parts += [
            f"On {machine}: `journalctl -u {unit} -n 50` says more, and `systemctl restart {unit}` "
            "starts it again. `espalier status` lists all that fails."
        ]
    logs = []
    for unit in list(news.begun)[:SHOWN]:
        lines = [f"    {line}" for line in masked(journal(unit))]
        if lines:
            logs.append("\n".join([f"The last lines of {unit}:", *lines]))
    return Message(f"{place}: {_subject(news)}", "\n".join(parts), "\n\n".join(logs))


def _sentence(unit: str, one: Open) -> str:
    return f"{unit} fails since {moment(one.since)}: {one.what}."


def _subject(news: News) -> str:
    if not news.begun:
        return f"{_named(news.over)} well again"
    return f"{_named(news.begun, plural='fail', single='fails')}"


def _named(units: Mapping[str, Open], single: str = "is", plural: str = "are") -> str:
    names = list(units)
    return f"{names[0]} {single}" if len(names) == 1 else f"{len(names)} units {plural}"


def moment(seconds: float) -> str:
    """A time in UTC, to the second."""
    when = datetime.datetime.fromtimestamp(seconds, datetime.UTC)
    return f"{when:%Y-%m-%d %H:%M:%S} UTC"


def masked(lines: Iterable[str]) -> list[str]:
    """Lines of a log, cut to a width, without what looks like a secret."""
    found = []
    for line in lines:
        for pattern, instead in SECRETS:
            line = pattern.sub(instead, line)
        found.append(line if len(line) <= WIDTH else f"{line[: WIDTH - 1]}…")
    return found


def unit_journal(unit: str) -> list[str]:
    """The last lines that a unit wrote, or that systemd wrote of it."""
    asked = ("journalctl", "--unit", unit, "--lines", "60", "--output", "cat", "--no-pager")
    lines = system.run(*asked).stdout.splitlines()
    return [line for line in lines if not NOISE.search(line)][-LINES:]
