"""Which history a moment belongs to, and which backup leads there: restores fork histories."""

from __future__ import annotations

import math

import pytest

from espalier_machine.database_backup import timelines
from espalier_machine.database_backup.timelines import Timeline, backup_for, leads_to

from .backups import backup

# As PostgreSQL writes them: of the second restore, both times to a moment of the first timeline.
HISTORY = "1\t0/80000A8\tbefore 2026-11-30 09:39:05.262981+00\n\n"
CHAIN = "1\t0/80000A8\tbefore 2026-11-30 09:39:05.262981+00\n\n2\tA/9000028\tno recovery target\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (HISTORY, ((1, 0x80000A8),)),
        (CHAIN, ((1, 0x80000A8), (2, 0xA09000028))),
        ("", ()),
        ("# a remark\n\n", ()),
    ],
)
def test_history_says_where_each_timeline_was_left(
    text: str, expected: tuple[tuple[int, int], ...]
) -> None:
    assert timelines.parse_history(text) == expected


# At 3000 somebody deletes what the site needs; at 3600 the moment 2900 is restored.
RESTORED = Timeline(2, 3600, ((1, 290),))
ONCE = {2: RESTORED}


@pytest.mark.parametrize(
    ("moment", "number"), [(0, 1), (2950, 1), (3300, 1), (3599.9, 1), (3600, 2), (9999, 2)]
)
def test_moment_between_a_mishap_and_its_restore_is_of_the_old_history(
    moment: float, number: int
) -> None:
    assert timelines.timeline_at(ONCE.values(), moment) == number


def test_the_newest_of_several_histories_is_the_one_with_the_highest_number() -> None:
    several = [Timeline(3, 5000, ((1, 150),)), RESTORED, Timeline(4, 7000, ((1, 150), (3, 400)))]
    assert [timelines.timeline_at(several, moment) for moment in (4999, 5000, 6999, 7000)] == [
        *(2, 3, 3, 4)
    ]
    assert timelines.newest(several) == 4
    assert (timelines.newest([]), timelines.timeline_at([], 5)) == (1, 1)


EARLY = backup("full", 1000, stop_lsn=100)
LATE = backup("diff", 2000, stop_lsn=200)
# Made between the mishap and its restore: after the moment that was restored.
ABANDONED = backup("diff", 3300, stop_lsn=330)
AFTER = backup("diff", 4000, stop_lsn=310, timeline=2)
BACKUPS = [EARLY, LATE, ABANDONED, AFTER]


@pytest.mark.parametrize(
    ("timeline", "moment", "expected"),
    [
        (1, 999, None),
        (1, 1000, EARLY),
        (1, 2999, LATE),
        # What the site had before the restore: its own backup leads there.
        (1, 3500, ABANDONED),
        (1, 5000, ABANDONED),
        # The moment is after the restore: what came after the restored moment is no part of it.
        (2, 3700, LATE),
        (2, 3999, LATE),
        (2, 4000, AFTER),
    ],
)
def test_backup_on_an_abandoned_branch_is_not_used(
    timeline: int, moment: float, expected: object
) -> None:
    assert backup_for(BACKUPS, timeline, ONCE, moment) == expected


def test_backup_that_ended_where_the_history_was_left_is_a_part_of_it() -> None:
    assert leads_to(backup("full", 1, stop_lsn=290), 2, ONCE)
    assert not leads_to(backup("full", 1, stop_lsn=291), 2, ONCE)


def test_each_of_several_forks_has_its_own_backups() -> None:
    # Twice the first timeline was gone back to; from the second time on, once more.
    forks = {
        **ONCE,
        3: Timeline(3, 5000, ((1, 150),)),
        4: Timeline(4, 7000, ((1, 150), (3, 400))),
    }
    third = backup("full", 6000, stop_lsn=390, timeline=3)
    beyond = backup("diff", 6500, stop_lsn=410, timeline=3)
    every = [*BACKUPS, third, beyond]
    assert backup_for(every, 3, forks, 5500) == EARLY
    assert backup_for(every, 3, forks, 9000) == beyond
    assert backup_for(every, 4, forks, 9000) == third
    assert backup_for(every, 2, forks, 9000) == AFTER


def test_a_history_that_is_lost_has_the_backups_of_its_own_timeline() -> None:
    assert backup_for(BACKUPS, 2, {}, 9000) == AFTER
    assert backup_for(BACKUPS, 2, {}, 3999) is None


FORKS = {2: Timeline(2, 3600, ((1, 290),)), 3: Timeline(3, 7000, ((1, 290), (2, 400)))}


@pytest.mark.parametrize(
    ("timeline", "expected"),
    [
        (1, {1: math.inf}),
        (2, {1: 290, 2: math.inf}),
        (3, {1: 290, 2: 400, 3: math.inf}),
        (4, {4: math.inf}),  # its history is lost
    ],
)
def test_history_is_made_of_parts(timeline: int, expected: dict[int, float]) -> None:
    assert timelines.parts(timeline, FORKS) == expected


@pytest.mark.parametrize(
    ("archived", "timeline", "first", "expected"),
    [
        (["000000010000000000000012"], 1, 1, (1, math.inf)),
        (["000000010000000000000012", "000000020000000000000012"], 2, 1, (2, math.inf)),
        (["000000010000000000000012"], 2, 1, (1, 290)),  # nothing but the history
        (["000000010000000000000012"], 3, 1, (1, 290)),
        (["000000010000000000000012", "000000020000000000000012"], 3, 1, (2, 400)),
        (["000000010000000000000012"], 3, 2, (2, 400)),  # the backup has that timeline
        ([], 2, 2, (2, math.inf)),
    ],
)
def test_wal_leads_as_far_as_it_has_come(
    archived: list[str], timeline: int, first: int, expected: tuple[int, float]
) -> None:
    begins = backup("full", 5, timeline=first, stop_lsn=100)
    of = timelines.reached(archived, timeline, FORKS, begins)
    assert (max(of), of[max(of)]) == expected


def test_position_is_written_as_postgresql_does() -> None:
    for text in ("0/3000050", "1F/A0000A0"):
        assert timelines.position(timelines.lsn(text)) == text


@pytest.mark.parametrize(
    ("segment", "position"),
    [
        ("000000010000000000000001", 0x1000000),
        ("0000000100000000000000FF", 0xFF000000),
        ("000000020000000A00000003", 0xA03000000),
    ],
)
def test_segment_begins_at_its_number_of_16_mebibytes(segment: str, position: int) -> None:
    assert timelines.start(segment) == position
