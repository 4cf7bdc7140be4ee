"""espalier status: the line for a certificate, and when somebody has to look."""

from __future__ import annotations

import datetime

import pytest

from espalier.cli.certificates import line

FACT = {
    "kind": "acme",
    "names": ["a.net"],
    "issued": "2026-11-01T00:00:00+00:00",
    "expires": "2026-11-11T00:00:00+00:00",
    "renewals": 2,
    "problem": "",
}


@pytest.mark.parametrize(
    ("fact", "day", "expected"),
    [
        ({}, 2, "self-signed"),
        (FACT, 2, "real, until 2026-11-11T00:00 UTC, 2 renewals"),
        (
            *(FACT, 9),
            "real, until 2026-11-11T00:00 UTC, 2 renewals: LOOK: it ends soon, and was not renewed",
        ),
        (
            *(FACT | {"kind": "placeholder", "problem": "no DNS"}, 2),
            "self-signed for now, until 2026-11-11T00:00 UTC: LOOK: no DNS",
        ),
        (FACT | {"kind": "own"}, 2, "your own, until 2026-11-11T00:00 UTC"),
    ],
)
def test_line_of_a_machine(fact: dict[str, object], day: int, expected: str) -> None:
    now = datetime.datetime(2026, 11, day, tzinfo=datetime.UTC)
    assert line("web1", fact, now) == f"certificate  web1  {expected}"
