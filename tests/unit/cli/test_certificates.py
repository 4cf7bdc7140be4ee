"""espalier status: the line for a certificate, and when somebody has to look."""

from __future__ import annotations

import datetime
from typing import Any

import pytest

from espalier.cli.alerts import state_lines
from espalier.cli.certificates import line, served

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
        (FACT | {"kind": "kept"}, 2, "the one before, for now, until 2026-11-11T00:00 UTC"),
    ],
)
def test_line_of_a_machine(fact: dict[str, object], day: int, expected: str) -> None:
    now = datetime.datetime(2026, 11, day, tzinfo=datetime.UTC)
    assert line("web1", fact, now) == f"certificate  web1  {expected}"


def test_a_machine_without_such_a_file_is_self_signed() -> None:
    silent = {"ok": False, "error": "cat: no such file"}
    assert served({"web1": FACT, "web2": silent}) == {"web1": FACT, "web2": {}}


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({}, []),
        ({"certificate_ends": ""}, []),
        (
            {"certificate_ends": "2027-01-20"},
            [
                "db1: its certificate for the site's other machines ends on 2027-01-20: a run of "
                "the site renews it"
            ],
        ),
        (
            {"certificate_ends": "2027-01-20", "authority_ends": True},
            [
                "db1: its certificate for the site's other machines ends on 2027-01-20, as the "
                "site's authority does: `espalier secrets rotate authority` makes another one"
            ],
        ),
    ],
)
def test_the_end_of_a_machine_s_own_certificate_is_told(
    more: dict[str, Any], expected: list[str]
) -> None:
    answer = {"ok": True, "failing": [], "waiting": 0, "reboot": [], "outdated": [], **more}
    assert list(state_lines({"db1": answer})) == expected
