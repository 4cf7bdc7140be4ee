"""Why backups would not get there, as sentences for whoever wrote the settings."""

from __future__ import annotations

import re
from collections.abc import Iterable

MAX_SKEW = 60  # seconds that a clock may differ
# What Python or ssh says where no connection comes about, and the sentence about it.
UNREACHABLE = (
    ("Connection refused", "Nothing listens at {server}. {check}."),
    (
        "[Nn]ame or service not known|No address associated|name resolution",
        "This machine cannot resolve the name of {server} ({words}). {check}.",
    ),
    (
        "timed out|Timeout",
        "{server} does not answer within 15 s. {check}, and whether a firewall on the way lets "
        "this machine through.",
    ),
    (
        "No route to host|Network is unreachable",
        "{server} cannot be reached from this machine ({words}). {check}.",
    ),
    (
        "WRONG_VERSION_NUMBER|RECORD_LAYER_FAILURE",
        "{server} does not answer HTTPS. Write a host, and perhaps a port, that does as `endpoint` "
        "of `backup` in hosts.yml.",
    ),
    (
        "(Hostname|IP address) mismatch",
        "The certificate of {server} is for another name ({words}). Write the name that it is for "
        "as `endpoint` of `backup` in hosts.yml. At Amazon no certificate is for a bucket whose "
        "name has a dot: take a `bucket` without one.",
    ),
    (
        "CERTIFICATE_VERIFY_FAILED",
        "This machine does not trust the certificate of {server} ({words}). If `endpoint` of "
        "`backup` in hosts.yml is right, the machine lacks the authority that has signed it. The "
        "package ca-certificates has the public ones. Write one of your own to "
        "/usr/local/share/ca-certificates/backup.crt there, and run `update-ca-certificates`.",
    ),
    ("", "There is no connection with {server} ({words}). {check}."),
)


class Problem(Exception):
    """The sentence about why backups would not get there."""


def problem_of(table: Iterable[tuple[str, str]], found: str, **names: str) -> Problem:
    """Return the first sentence of a table whose pattern is in what was found."""
    text = next(text for pattern, text in table if re.search(pattern, found))
    return Problem(text.format(**names))


def clock_problem(skew: float | None, server: str, more: str = "") -> Problem:
    """Return the problem of clocks that differ.

    Args:
        skew: seconds that the server's clock is ahead; None where that is unknown.
        server: its name.
        more: what follows from it.
    """
    how = "differs from"
    if skew is not None and abs(skew) > MAX_SKEW:
        how = f"is {abs(skew):.0f} s {'behind' if skew > 0 else 'ahead of'}"
    return Problem(
        f"The clock of this machine {how} that of {server}. "
        f"{more or 'A restore finds its moment by both.'} "
        "Let the machine take the time from the network: `apt install systemd-timesyncd` and "
        "`timedatectl set-ntp true` there."
    )


def one_line(text: str) -> str:
    """Return what another program said, as part of a sentence."""
    return re.sub(r"[\s\x00-\x1f\x7f]+", " ", text).strip(" .")[:300]
