"""Which version of an upload a moment had, by the snapshots before and after it."""

from __future__ import annotations

from typing import Any

import pytest

from espalier_machine.uploads_backup import choose, plan, snapshots, tree
from espalier_machine.uploads_backup.choose import AFTER, BEFORE, Chosen
from espalier_machine.uploads_backup.errors import BackupError
from espalier_machine.uploads_backup.snapshots import ASIDE, Snapshot
from espalier_machine.uploads_backup.tree import DIRECTORY, FILE, LINK, Entry, Listing

from .uploads import FOLDER, SECOND, T, file, shots


@pytest.mark.parametrize(
    ("before", "after", "chosen"),
    [
        pytest.param(file(900), file(900), AFTER, id="unchanged"),
        pytest.param(file(900), file(950), AFTER, id="written before the moment"),
        pytest.param(file(900), file(1_001), BEFORE, id="written after the moment"),
        pytest.param(file(900), file(300), AFTER, id="replaced by an older file"),
        pytest.param(file(900), None, BEFORE, id="deleted, perhaps after the moment"),
        pytest.param(None, file(999), AFTER, id="came before the moment"),
        pytest.param(None, file(300), AFTER, id="came with the time that it had elsewhere"),
        pytest.param(None, file(1_059), AFTER, id="clocks of machines differ"),
        pytest.param(None, file(1_061), None, id="came after the moment"),
        pytest.param(None, FOLDER, AFTER, id="a directory may have older files"),
        pytest.param(None, None, None, id="never there"),
    ],
)
def test_which_snapshot_has_the_version_of_a_moment(
    before: Entry | None, after: Entry | None, chosen: str | None
) -> None:
    found = choose.choose_one(before, after, T)
    assert (found.where if found else None) == chosen


def test_a_tree_is_chosen_path_by_path_parents_first() -> None:
    before = {"a": FOLDER, "a/old.txt": file(900), "a/gone.txt": file(800)}
    after = {"a": FOLDER, "a/old.txt": file(1_002), "b": FOLDER, "b/new.txt": file(950)}
    after["b/late.txt"] = file(5_000)
    assert choose.choose(before, after, T) == {
        "a": Chosen(BEFORE, FOLDER),
        "a/gone.txt": Chosen(BEFORE, file(800)),
        "a/old.txt": Chosen(BEFORE, file(900)),
        "b": Chosen(AFTER, FOLDER),
        "b/new.txt": Chosen(AFTER, file(950)),
    }


def test_a_file_that_has_become_a_directory_is_one_of_the_two() -> None:
    assert choose.choose({"a": file(900)}, {"a": FOLDER, "a/b": file(950)}, T) == {
        "a": Chosen(BEFORE, file(900))
    }


def test_with_one_snapshot_all_that_it_has_is_chosen() -> None:
    assert list(choose.choose({"a": file(1)}, None, T)) == ["a"]
    assert list(choose.choose(None, {"a": file(1), "b": file(2_000)}, T)) == ["a"]


def test_files_that_were_written_again_since_are_counted() -> None:
    before = {"a": file(900), "b": file(900), "c": file(900)}
    after = {"a": file(1_002), "b": file(950), "c": file(900), "d": file(1_002)}
    assert choose.uncertain(before, after, T) == ["a"]


def listed(id: str, time: str, *tags: str) -> dict[str, Any]:
    return {"id": id, "time": time, "paths": ["/srv/shop/media"], "tags": ["uploads", *tags]}


def test_snapshots_are_read_and_sorted() -> None:
    answer = [
        listed("b" * 64, "2026-11-30T10:00:00.5+01:00", ASIDE),
        listed("a" * 64, "2026-11-30T08:00:00.123456789Z"),
    ]
    assert snapshots.parse(answer) == [
        Snapshot("a" * 64, 1_796_025_600_123_456_789, "/srv/shop/media"),
        Snapshot("b" * 64, 1_796_029_200_500_000_000, "/srv/shop/media", is_aside=True),
    ]


def test_two_snapshots_tell_of_a_moment() -> None:
    def ids(*arguments: Any) -> list[str | None]:
        return [one.id if one else None for one in snapshots.around(*arguments)]

    assert ids(shots(1, 2, 3), 2) == ["2", "3"]
    assert ids(shots(1, 2, 3), 3) == ["3", None]
    assert ids(shots(5), 2) == [None, "5"]
    assert ids([], 2) == [None, None]


def test_the_newest_state_is_not_what_a_restore_has_put_aside() -> None:
    seen = shots(1, 2, 3, aside=2)
    assert snapshots.around(seen, 2) == (seen[1], seen[2])
    assert snapshots.around(seen, 2, True) == (seen[0], seen[2])
    assert snapshots.newest(shots(1, 2, aside=2)) == Snapshot("1", 1, "/m")
    assert snapshots.newest([]) is None


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("latest", 1_796_040_000 * SECOND),
        ("2026-11-30T09:00:00+01:00", 1_796_025_600 * SECOND),
        ("2026-11-30T08:00:00.000001Z", 1_796_025_600_000_001_000),
    ],
)
def test_moments(text: str, found: int) -> None:
    assert snapshots.moment(text, 1_796_040_000 * SECOND) == found


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("yesterday", "'yesterday' is no time. Write one such as 2026-11-30T14:05:00"),
        ("2026-11-30T09:00:00", "does not say of which time zone it is"),
        ("2036-11-30T09:00:00Z", "is in the future"),
    ],
)
def test_what_is_no_moment_is_refused(text: str, words: str) -> None:
    with pytest.raises(BackupError, match=words):
        snapshots.moment(text, 1_796_040_000 * SECOND)


def node(path: str, kind: str = "file", **values: Any) -> dict[str, Any]:
    known = {"struct_type": "node", "type": kind, "path": path, "uid": 998, "gid": 997}
    return {**known, "mode": 0o644, "mtime": "2026-11-30T08:00:00Z", **values}


def test_a_list_of_restic_is_read() -> None:
    nodes = [
        {"struct_type": "snapshot", "paths": ["/srv/shop/media"]},
        node("/srv", "dir", mode=0o755 | 1 << 31),
        node("/srv/shop/media", "dir", mode=0o755 | 1 << 31 | 1 << 22),
        node("/srv/shop/media/a.jpg", size=5),
        node("/srv/shop/media/link", "symlink", mode=0o777 | 1 << 27),
        node("/srv/shop/media/pipe", "fifo"),
        node("/srv/shop/media/.incoming/x", size=1),
        node("/srv/shop/media/bad\ufffd.jpg", size=1),
        node("/srv/shop/media-old/a.jpg", size=1),
    ]
    time = 1_796_025_600 * SECOND
    assert tree.parse(nodes, "/srv/shop/media") == Listing(
        Entry(DIRECTORY, 0, time, 0o2755, 998, 997),
        {
            "a.jpg": Entry(FILE, 5, time, 0o644, 998, 997),
            "link": Entry(LINK, 0, time, 0o777, 998, 997),
        },
        unreadable=1,
    )


def test_owners_are_those_of_this_machine() -> None:
    other = Entry(FILE, 1, 0, 0o644, 0, 997)
    listing = Listing(FOLDER, {"a": file(1), "b": other})
    assert plan.adopted(listing, (1001, 1002)).entries == {
        "a": file(1)._replace(uid=1001, gid=1002),
        "b": other._replace(gid=1002),
    }
    assert plan.adopted(listing, None) == listing
