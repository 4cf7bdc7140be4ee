"""Which units do not do what they should, of what systemd says of them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from espalier_machine.alerts import units
from espalier_machine.alerts.units import Problem

from .alerts import FAILED, NOW, failing, unit


def test_systemd_s_output_is_read() -> None:
    text = "Id=a.service\nResult=success\nExec=a=b\n\n\nId=b.timer\nResult=\n"
    assert units.parse(text) == [
        {"Id": "a.service", "Result": "success", "Exec": "a=b"},
        {"Id": "b.timer", "Result": ""},
    ]


def test_a_unit_that_failed_counts_after_a_moment_and_says_why() -> None:
    assert failing(unit(**FAILED)) == {
        "nginx.service": Problem("it ended with status 3", NOW - 100)
    }
    assert failing(unit(**FAILED, StateChangeTimestamp=f"@{NOW - 2:.0f}")) == {}
    assert failing(unit()) == {}


@pytest.mark.parametrize(
    "one",
    [
        unit("run-u12.service", **FAILED, Transient="yes"),
        unit("user@1000.service", **FAILED),
        unit("logrotate.service", **FAILED),
    ],
)
def test_what_a_person_began_or_does_not_want_to_hear_of_is_not_told(one: dict[str, str]) -> None:
    assert failing(one, ignore=("logrot*",)) == {}


def test_a_daemon_that_systemd_starts_again_and_again_fails() -> None:
    counts: Any = {}
    for second, count in ((0, "2"), (60, "3"), (120, "4")):
        counts = units.restarts([unit(NRestarts=count)], counts, NOW - 200 + second)
        assert failing(unit(NRestarts=count), counts=counts) == {}
    counts = units.restarts([unit(NRestarts="5")], counts, NOW - 20)
    (problem,) = failing(unit(NRestarts="5"), counts=counts).values()
    assert "systemd started it 3 times in the last 10 minutes" in problem.what
    # It runs since; ten minutes later the old restarts do not count.
    counts = units.restarts([unit(NRestarts="5")], counts, NOW + 1000)
    assert failing(unit(NRestarts="5"), counts=counts) == {}
    # A person has started it: systemd counts from 0.
    assert units.restarts([unit()], counts, NOW) == {}


@pytest.mark.parametrize(
    ("name", "changes", "fails"),
    [
        ("shop-web@blue.service", {}, True),
        ("shop-schedule-report.timer", {}, True),
        # The slot that is not live any more, and Debian's own.
        ("shop-web@green.service", {"UnitFileState": "disabled"}, False),
        ("rsync.service", {}, False),
    ],
)
def test_an_enabled_unit_that_ran_and_stands_still_fails(
    name: str, changes: dict[str, str], fails: bool
) -> None:
    ran = units.running([unit(name)], {}, "shop", NOW - 120)
    # systemd has forgotten it meanwhile, so it says nothing of its past.
    now = unit(name, ActiveState="inactive", StateChangeTimestamp="", **changes)
    soon = units.running([unit(name)], {}, "shop", NOW - 60)
    assert failing(now, ran=soon) == {}  # a restart
    found = failing(now, ran=units.running([now], ran, "shop", NOW))
    assert found == ({name: Problem("it is enabled, and does not run", NOW - 120)} if fails else {})
    assert failing(now) == {}  # one that never ran, as in a container that cannot have it


TIMER = "espalier-uploads-backup.timer"
OFF = {"ActiveState": "inactive", "UnitFileState": "disabled", "StateChangeTimestamp": ""}


def test_the_kit_s_own_timers_are_those_whose_file_is_there(tmp_path: Path) -> None:
    for name in (TIMER, "espalier-drill.timer", "espalier-drill.service", "shop-drill.timer"):
        (tmp_path / name).touch()
    assert units.own_timers(tmp_path) == ["espalier-drill.timer", TIMER]


def test_a_timer_of_the_kit_that_somebody_has_switched_off_fails() -> None:
    ran = units.running([unit(TIMER)], {}, "shop", NOW - 120, [TIMER])
    off = unit(TIMER, **OFF)
    found = failing(off, ran=units.running([off], ran, "shop", NOW, [TIMER]))
    assert found == {TIMER: Problem(units.SWITCHED_OFF, NOW - 120)}
    # It has left the machine.
    assert failing(off, ran=units.running([off], ran, "shop", NOW, [])) == {}


def test_a_timer_that_nobody_ever_started_fails_after_half_an_hour() -> None:
    off, ran = unit(TIMER, **OFF), {}
    for minute in range(33):
        now = NOW + minute * 60
        ran = units.running([off], ran, "shop", now, [TIMER])
        assert bool(units.problems([off], {}, ran, (), now)) is (minute == 32)


def test_timers_that_a_restore_has_stopped_are_not_told_for_two_hours(tmp_path: Path) -> None:
    mark, began = tmp_path / "uploads-paused", NOW
    names = (TIMER, "espalier-backup.timer")
    stopped = [unit(name, ActiveState="inactive") for name in names]
    ran: dict[str, float] = dict.fromkeys(names, began)

    def look(after: float, told: tuple[str, ...] = ()) -> set[str]:
        now = began + after
        paused = units.paused(stopped, told, now, mark)
        ran.update(units.running(stopped, ran, "shop", now, names, paused))
        return set(units.problems(stopped, {}, ran, (), now))

    mark.touch()
    os.utime(mark, (began, began))
    assert look(300) == {"espalier-backup.timer"}  # which no restore stops
    assert TIMER not in look(7199)
    # Whoever should have started it was killed.
    assert TIMER not in look(7200)
    assert TIMER in look(7300)
    # Another restore begins: it does not make well what was told.
    os.utime(mark, (began + 7300, began + 7300))
    assert TIMER in look(7400, told=(TIMER,))
    mark.unlink()
    assert units.paused(stopped, (), NOW, mark) == set()


@pytest.mark.parametrize(
    ("name", "hours", "fails"),
    [
        ("espalier-uploads-sample.service", 1.9, False),
        ("espalier-uploads-sample.service", 3, True),
        ("espalier-uploads-backup.service", 11, False),  # the first one may take so long
        ("espalier-uploads-backup.service", 13, True),
        ("espalier-backup.service", 11, False),
        ("espalier-backup.service", 13, True),
        ("shop-schedule@report.service", 13, False),  # the project's own business
    ],
)
def test_a_unit_that_begins_and_does_not_end_fails(name: str, hours: float, fails: bool) -> None:
    began = f"@{NOW - hours * 3600:.0f}"
    found = failing(unit(name, ActiveState="activating", StateChangeTimestamp=began))
    what = f"it began {hours} hours ago, and has not ended"
    assert found == ({name: Problem(what, NOW - hours * 3600)} if fails else {})


@pytest.mark.parametrize(
    ("one", "undecided"),
    [
        (unit(), False),
        (unit(ActiveState="activating"), True),
        (unit(**FAILED), True),
        (unit(ActiveState="inactive"), False),
        # Since a boot, it has not run: nobody knows.
        (unit(ActiveState="inactive", StateChangeTimestamp=""), True),
    ],
)
def test_what_cannot_be_told_yet(one: dict[str, str], undecided: bool) -> None:
    assert units.is_undecided(one) is undecided
