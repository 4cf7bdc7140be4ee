"""Messages on their way: one that cannot be sent is kept, and tried again for a day."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from espalier_machine.alerts.channels import ChannelError
from espalier_machine.alerts.message import Message

KEPT = 24 * 3600  # seconds
MOST = 40  # messages; of more, the oldest are given up
LONGEST = 1800  # seconds between two tries
AT_ONCE = 4  # messages that one look sends: each may wait for a time-out

Entry = dict[str, Any]
Send = Callable[[str, str, str, str], str]  # channel, subject, text, journal -> what it answered


def add(outbox: list[Entry], channels: Collection[str], message: Message, now: float) -> None:
    """Put a message into the outbox, once for each channel."""
    entry = {"subject": message.subject, "text": message.text, "journal": message.journal}
    for channel in channels:
        outbox.append(entry | {"channel": channel, "since": now, "tries": 0, "next": now})


def deliver(outbox: list[Entry], send: Send, now: float) -> tuple[list[Entry], list[str]]:
    """Try what is due; gives what is left, and what the journal is told."""
    left: list[Entry] = []
    told: list[str] = []
    sent = 0
    for entry in outbox:
        if entry["next"] > now or sent >= AT_ONCE:
            left.append(entry)
            continue
        sent += 1
        what = f"`{entry['subject']}` by {entry['channel']}"
        try:
            told.append(f"sent {what}: {send(*(entry[k] for k in ORDER))}")
            continue
        except ChannelError as error:
            tries = entry["tries"] + 1
            if now - entry["since"] >= KEPT:
                told.append(f"given up {what} after {tries} tries: {error}")
                continue
            wait = min(60 * 2 ** (tries - 1), LONGEST)
            told.append(f"not sent {what}: {error}; tried again in {wait} s")
            left.append(entry | {"tries": tries, "next": now + wait})
    for entry in left[:-MOST]:
        told.append(f"given up `{entry['subject']}` by {entry['channel']}: too many wait")
    return left[-MOST:], told


ORDER = ("channel", "subject", "text", "journal")


def is_stuck(outbox: list[Entry], now: float) -> bool:
    """Whether a message waits for so long that somebody outside has to notice."""
    return any(now - entry["since"] >= 600 for entry in outbox)
