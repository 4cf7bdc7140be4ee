"""Green, amber or red: what is wrong with the backups."""

from __future__ import annotations

from typing import Any

import pytest

from espalier_machine.database_backup.archiving import Archiving
from espalier_machine.database_backup.judge import Finding, Seen, colour, judge
from espalier_machine.database_backup.repository import Backup

from .backups import backup as one

HOUR, DAY = 3600.0, 86400.0
NOW = 100 * DAY
WAL = Archiving(
    is_on=True,
    archived=NOW - 30,
    failed=0,
    waiting=0,
    bound=10**9,
    oldest=0,
    dropped=0,
)
PROVEN = {"ok": True, "skipped": "", "ended": NOW - HOUR}
WELL = Seen(
    now=NOW,
    unreadable="",
    backups=[one("full", NOW - 3 * DAY), one("diff", NOW - 5 * HOUR)],
    archiving=WAL,
    timers=[],
    drill=PROVEN,
    wants_drill=True,
    may_drill=True,
    is_running=False,
    failed="",
    skew=1.5,
    overtaken="",
)


def seen(**differs: Any) -> Seen:
    """Return what a machine sees; keys of `Archiving` are that of its WAL."""
    wal = {key: differs.pop(key) for key in list(differs) if key in vars(WAL)}
    known = {**vars(WELL), "archiving": Archiving(**{**vars(WAL), **wal}), **differs}
    return Seen(**known)


def test_all_is_well() -> None:
    assert judge(WELL) == []
    assert colour([]) == "green"
    # A replica, or a machine that only keeps copies, has no part in the rest.
    assert judge(seen(archiving=None, drill={}, wants_drill=False, skew=None)) == []


RED = [
    ({"unreadable": "The bucket is not there."}, "The bucket is not there."),
    ({"failed": "The backup failed: no"}, "the last backup failed: The backup failed: no"),
    (
        {"damage": "The repository is damaged (missing: 1)."},
        "the last check of all backups failed: The repository is damaged (missing: 1).",
    ),
    ({"backups": []}, "there is no backup yet"),
    ({"backups": [one("full", NOW - 26 * HOUR - 1)]}, "the newest backup is 26 hours old"),
    (
        {"backups": [one("full", NOW - 8 * DAY - 1), one("diff", NOW)]},
        "the newest full backup is 8 days old",
    ),
    ({"is_on": False}, "PostgreSQL does not archive: run `espalier site`"),
    (
        {"dropped": NOW - 90},
        "WAL was dropped 90 s ago, as the destination was away for too long: moments since the "
        "newest backup cannot all be restored until the new full backup is there, which begins by "
        "itself",
    ),
    (
        {"oldest": NOW - 301, "waiting": 33554432},
        "WAL waits since 5 minutes: 34 MB of 1.0 GB",
    ),
    (
        {"waiting": 6 * 10**9, "bound": 11 * 10**9},
        "WAL that waits takes 6.0 GB of 11.0 GB",
    ),
    (
        {"timers": ["espalier-backup.timer"]},
        "espalier-backup.timer does not run: nothing is copied by itself",
    ),
    ({"drill": {"ok": False, "error": "No."}}, "the drill failed: No."),
    ({"drill": {"ok": False}}, "the drill failed: it was cut off"),
    ({"drill": {**PROVEN, "ended": NOW - 26 * HOUR - 1}}, "the last drill was 26 hours ago"),
    ({"skew": 60.6}, "this machine's clock is 61 s behind the destination's"),
    ({"skew": -75.0}, "this machine's clock is 75 s ahead of the destination's"),
    ({"overtaken": "Another one is the site's."}, "Another one is the site's."),
]
AMBER = [
    ({"backups": [], "is_running": True}, "the first backup is being made"),
    (
        {"failed": NOW, "archived": NOW - 30},
        "the last segment of WAL was not copied; it is tried again",
    ),
    ({"may_drill": False}, "no restore is proven: hosts.yml has `drill: false`"),
    ({"drill": {}}, "no restore is proven yet: the first drill is tonight"),
    ({"drill": {"ok": False, "skipped": "no room"}}, "no restore is proven: no room"),
    (
        {"drill": {**PROVEN, "counted": 0}},
        "the last drill had no rows of the site to compare its copy with: the primary counts them "
        "just before each nightly drill (espalier-row-count.timer)",
    ),
]


def judged(differs: dict[str, Any]) -> list[Finding]:
    """Return the findings; `failed` may be a time of WAL, or why a backup failed."""
    given = dict(differs)
    if isinstance(given.get("failed"), str):
        why = given.pop("failed")
        return judge(Seen(**{**vars(seen(**given)), "failed": why}))
    return judge(seen(**given))


@pytest.mark.parametrize(("differs", "sentence"), RED)
def test_red(differs: dict[str, Any], sentence: str) -> None:
    found = judged(differs)
    assert found == [Finding("red", sentence)]
    assert colour(found) == "red"


@pytest.mark.parametrize(("differs", "sentence"), AMBER)
def test_amber(differs: dict[str, Any], sentence: str) -> None:
    found = judged(differs)
    assert found == [Finding("amber", sentence)]
    assert colour(found) == "amber"


@pytest.mark.parametrize(
    "differs",
    [
        {"backups": [one("full", NOW - 26 * HOUR)]},
        # It is late, and under way.
        {"backups": [one("full", NOW - 40 * HOUR)], "is_running": True},
        {"backups": [one("full", NOW - 8 * DAY), one("diff", NOW)]},
        {"oldest": NOW - 300, "waiting": 16777216},
        {"waiting": 5 * 10**8},
        {"failed": NOW - 60, "archived": NOW - 30},
        {"drill": {**PROVEN, "ended": NOW - 26 * HOUR}},
        {"drill": {**PROVEN, "counted": NOW - 3 * HOUR}},
        {"skew": 60.0},
        {"skew": -60.0},
    ],
)
def test_still_green(differs: dict[str, Any]) -> None:
    assert judged(differs) == []


MISSING = "WAL is missing since the newest backup: a new one "
AGAIN = "could not be made, and is tried again at 1970-04-11 00:30 UTC"


@pytest.mark.parametrize(
    ("differs", "begins"),
    [
        ({}, "begins by itself"),
        ({"next_try": NOW + 1800}, AGAIN),
        ({"next_try": NOW}, "begins by itself"),
        ({"next_try": NOW + 1800, "is_running": True}, "is being made"),
    ],
)
def test_gap_is_red_and_says_when_it_is_mended(differs: dict[str, Any], begins: str) -> None:
    assert judged({"gap": True, **differs}) == [Finding("red", f"{MISSING}{begins}")]
    (found,) = judged({"dropped": NOW - 90, **differs})
    assert found.colour == "red"
    assert found.sentence.endswith(f"until the new full backup is there, which {begins}")


DAMAGE = "the last check of all backups failed: The repository is damaged (a)."
NEXT = " The next backup is a full one, as nothing may build on what is damaged."
SINCE = " A full backup was made since: moments after it need nothing of what is damaged."
OLD, NEW = one("full", NOW - 3 * DAY, label="old"), one("full", NOW - 5 * HOUR, label="new")
BUILT = one("diff", NOW - 4 * HOUR, label="built")


@pytest.mark.parametrize(
    ("backups", "damaged", "more"),
    [
        ([OLD, BUILT], ["old"], NEXT),
        ([OLD, NEW], ["old"], SINCE),
        ([OLD, NEW, BUILT], ["old"], SINCE),
        ([OLD, NEW], ["old", "new"], NEXT),
        # What is damaged is newer, or no longer kept, or no backup.
        ([OLD, NEW, BUILT], ["built"], ""),
        ([NEW], ["old"], ""),
        ([OLD, NEW], [], ""),
    ],
)
def test_damage_says_what_was_made_since(
    backups: list[Backup], damaged: list[str], more: str
) -> None:
    differs = {"damage": "The repository is damaged (a).", "damaged": damaged, "backups": backups}
    assert judged(differs) == [Finding("red", f"{DAMAGE}{more}")]


def test_the_worst_is_told_first_and_what_follows_from_it_not_at_all() -> None:
    found = judge(seen(drill={}, timers=["espalier-backup-watch.timer"], skew=90.0))
    assert [one.colour for one in found] == ["red", "red", "amber"]
    # A destination that cannot be read has no backups to be missed.
    assert len(judge(seen(unreadable="No.", backups=[]))) == 1
    # The first try failed, and the second one is under way.
    found = judge(Seen(**{**vars(seen(backups=[], is_running=True)), "failed": "No."}))
    assert [one.sentence for one in found] == [
        "the last backup failed: No.",
        "the first backup is being made",
    ]
    # WAL that waits for long was tried in vain: it is told once.
    late = {"oldest": NOW - 3 * HOUR, "failed": NOW, "waiting": 16777216}
    assert [one.sentence for one in judge(seen(**late))] == [
        "WAL waits since 3 hours: 17 MB of 1.0 GB"
    ]
