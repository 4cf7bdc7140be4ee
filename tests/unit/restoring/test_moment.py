"""The moment that a person means, and what bringing it back costs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from espalier.inventory.site import SiteError
from espalier.restoring import plan
from espalier.restoring.moment import moment, shown, span, wanted

NONE = "Say which moment: --to TIME, --to latest, --transaction ID, or --before STATEMENT."
AT = 1796040180.0  # 2026-11-30 12:03:00 UTC


@pytest.fixture
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A computer in Berlin."""
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("berlin")
@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        # Of this computer's zone, where none is named; in summer it is another one.
        ("2026-11-30 13:03", AT),
        (" 2026-11-30T13:03:00 ", AT),
        ("2026-07-30 14:03", AT - 123 * 86400),
        ("2026-11-30 13:03:00.25", AT + 0.25),
        ("2026-11-30 14:03:00+02:00", AT),
        ("2026-11-30 12:03Z", AT),
        ("2026-11-30", AT - (13 * 60 + 3) * 60),
    ],
)
def test_time_as_a_person_writes_it(text: str, seconds: float) -> None:
    assert moment(text, "--to").timestamp() == seconds
    assert wanted(text, None, "") == {"to": seconds}


@pytest.mark.parametrize("text", ["yesterday", "14:03", "30.11.2026 14:03", "2026-11-31 10:00"])
def test_time_that_is_none(text: str) -> None:
    with pytest.raises(SiteError) as refused:
        wanted(text, None, "")
    assert str(refused.value) == (
        f"--to {text!r} is no time. Write one such as `2026-11-28 14:03`, "
        "`2026-11-28 14:03:20+02:00`, or `latest`."
    )
    assert refused.value.status == 2


@pytest.mark.usefixtures("berlin")
@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "2026-10-25 02:30",
            "--to '2026-10-25 02:30' was twice, as clocks were put back. Write the time that you "
            "mean with its offset: `2026-10-25 02:30:00+02:00` or `2026-10-25 02:30:00+01:00`.",
        ),
        (
            "2026-03-29 02:30",
            "--to '2026-03-29 02:30' never was: clocks were put forward. Write the time that you "
            "mean with its offset: `2026-03-29 01:30:00+01:00` or `2026-03-29 03:30:00+02:00`.",
        ),
    ],
)
def test_time_that_clocks_had_twice_or_never(text: str, sentence: str) -> None:
    with pytest.raises(SiteError) as refused:
        wanted(text, None, "")
    assert (str(refused.value), refused.value.status) == (sentence, 2)


@pytest.mark.usefixtures("berlin")
@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2026-10-25 02:30+02:00", 1792888200),
        ("2026-10-25 02:30+01:00", 1792891800),
        ("2026-10-25 01:59:59", 1792886399),
        ("2026-10-25 03:00", 1792893600),
        ("2026-03-29 01:59:59", 1774745999),
        ("2026-03-29 03:00", 1774746000),
    ],
)
def test_time_around_a_change_of_clocks(text: str, seconds: float) -> None:
    assert wanted(text, None, "") == {"to": seconds}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (("latest", None, ""), {"latest": True}),
        (("", 770, ""), {"transaction": 770}),
        (("", 0, ""), {"transaction": 0}),
        (("", None, "DROP TABLE orders"), {"before": "DROP TABLE orders"}),
    ],
)
def test_what_the_machine_is_asked(given: Any, expected: dict[str, Any]) -> None:
    assert wanted(*given) == expected


@pytest.mark.parametrize(
    "given",
    [
        ("", None, ""),
        ("latest", 770, ""),
        ("", 770, "DROP TABLE"),
        ("2026-11-30 14:03", None, "DROP TABLE"),
        ("latest", 770, "DROP TABLE"),
    ],
)
def test_one_moment_and_no_more(given: Any) -> None:
    with pytest.raises(SiteError) as refused:
        wanted(*given)
    assert (str(refused.value), refused.value.status) == (NONE, 2)


@pytest.mark.usefixtures("berlin")
def test_moment_is_shown_in_the_zone_of_the_computer_and_in_utc() -> None:
    assert shown(AT) == "2026-11-30 13:03:00 (12:03:00 UTC)"


@pytest.mark.usefixtures("utc")
def test_moment_is_shown_once_where_both_are_the_same() -> None:
    assert shown(AT) == "2026-11-30 12:03:00 UTC"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 seconds"),
        (0.6, "1 second"),
        (119.4, "119 seconds"),
        (120, "2 minutes"),
        (7199, "120 minutes"),
        (7200, "2 hours"),
        (47 * 3600, "47 hours"),
        (2 * 86400, "2 days"),
        (15.6 * 86400, "16 days"),
    ],
)
def test_span(seconds: float, text: str) -> None:
    assert span(seconds) == text


TARGET = {"kind": "time", "time": AT, "what": "as it was at 2026-11-30 12:03:00.000000+00"}
PLAN: dict[str, Any] = {
    "target": {**TARGET, "backup": "20261130-023000F"},
    "bytes": 23_074_558,
    "stored": 2_830_864,
    "free": 30_000_000_000,
    "lost": 5400.0,
    "aside": True,
    "backup_ended": AT - 34200,
}


@pytest.mark.usefixtures("berlin")
def test_what_a_restore_will_do_is_said_before() -> None:
    assert list(plan.lines("shop", "db1", PLAN, {})) == [
        "shop on db1 would become as it was at 2026-11-30 12:03:00.000000+00.",
        "  moment  2026-11-30 13:03:00 (12:03:00 UTC)",
        "  lost    what was written in the 90 minutes since then",
        "  from    the backup of 2026-11-30 03:33:00 (02:33:00 UTC) (20261130-023000F), "
        "and the WAL since then",
        "  space   23 MB of the 30.0 GB that are free",
        "  kept    the database that is there now, under another name beside it",
    ]


@pytest.mark.usefixtures("utc")
def test_all_that_there_is_on_a_new_machine() -> None:
    target = {"kind": "default", "time": AT, "what": "all that the destination has"}
    new = {**PLAN, "target": {**target, "backup": "20261130-023000F"}, "aside": False}
    drill = {"rto_seconds": 150.0, "bytes": 24_000_000, "machine": "db2"}
    assert list(plan.lines("shop", "db1", new, drill)) == [
        "shop on db1 would become all that the destination has.",
        "  lost    nothing that has come to the destination",
        "  from    the backup of 2026-11-30 02:33:00 UTC (20261130-023000F), "
        "and the WAL since then",
        "  space   23 MB of the 30.0 GB that are free",
        "  time    the last drill took 2 minutes for 24 MB, on db2; migrations and uploads come in "
        "addition",
    ]
