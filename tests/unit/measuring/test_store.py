"""Where measurements are kept."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from espalier.insight.advice import Advice, Change, Edit, Place, Remedy, Verdict
from espalier.insight.evidence import Interval
from espalier.insight.recording import Load
from espalier.inventory.site import SiteError
from espalier.measuring.store import Store, new_id
from tests.unit.measuring.recordings import recording

ADVICE = Advice(
    verdict=Verdict.BOTTLENECK,
    place=Place.WORKERS,
    where="vps1",
    sentence="One worker process is full.",
    certainty=0.92,
    limit=Interval(38, 41, 44),
    evidence=["1.0 of 1 core"],
    change=Change(
        remedy=Remedy.WORKERS,
        place=Place.WORKERS,
        sentence="Let there be 3.",
        edits=[Edit("hosts.yml", ["a"], ["b"], values=[("workers", 3), ("tiers", ["redis"])])],
        gain=Interval(1.5, 1.9, 2.1),
    ),
)


def test_recordings_come_back_newest_last(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert store.names() == []
    for name in ("20261201-041500-3f2a", "20261130-041500-ffff"):
        store.write(recording(name))
    assert store.names() == ["20261130-041500-ffff", "20261201-041500-3f2a"]
    assert store.newest() == recording("20261201-041500-3f2a")
    assert store.read("20261130-041500-ffff").id == "20261130-041500-ffff"


def test_files_are_for_their_owner_alone(tmp_path: Path) -> None:
    store = Store(tmp_path)
    path = store.write(recording())
    store.append({"a": 1})
    files = [path, store.write_advice("a", ADVICE), store.directory / "ledger.jsonl"]
    store.write_load("a", {"profile": {}, "plan": {}})
    files.append(store.directory / "a.load.json")
    assert store.directory.stat().st_mode & 0o777 == 0o700
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}


def test_git_does_not_see_them(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    Store(tmp_path / "deploy/production").directory.parent.mkdir(parents=True)
    Store(tmp_path / "deploy/production").write(recording())
    status = ["git", "-C", tmp_path, "status", "--porcelain", "--untracked-files=all"]
    assert subprocess.run(status, check=True, capture_output=True, text=True).stdout == ""


def test_newest_of_visitors_is_no_load(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.write(recording("20261201-041500-3f2a"))
    store.write(recording("20261202-041500-3f2a", load=Load(profile="p", steps=[])))
    assert store.newest().id == "20261202-041500-3f2a"
    assert store.newest_of_visitors().id == "20261201-041500-3f2a"
    with pytest.raises(SiteError, match="`espalier measure -e empty`"):
        Store(tmp_path / "empty").newest_of_visitors()


def test_without_a_recording_it_says_what_makes_one(tmp_path: Path) -> None:
    with pytest.raises(SiteError, match="`espalier measure`"):
        Store(tmp_path).newest()
    with pytest.raises(SiteError, match="There is no recording pear"):
        Store(tmp_path).read("pear")


def test_file_that_is_no_recording_is_refused(tmp_path: Path) -> None:
    (tmp_path / "pear.json").write_text("{}")
    with pytest.raises(SiteError, match="is no recording"):
        Store(tmp_path).read(str(tmp_path / "pear.json"))


def test_advice_comes_back_as_it_was(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert store.read_advice("a") is None
    store.write_advice("a", ADVICE)
    found = store.read_advice("a")
    assert found and found.change
    assert (found.verdict, found.limit) == (Verdict.BOTTLENECK, Interval(38, 41, 44))
    assert found.change.gain == Interval(1.5, 1.9, 2.1)
    assert list(found.change.edits[0].removed) == ["a"]
    assert [tuple(pair) for pair in found.change.edits[0].values] == [
        ("workers", 3),
        ("tiers", ["redis"]),
    ]


def test_newest_advice_is_of_a_recording_that_is_kept(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert store.newest_advised() == ""
    store.write(recording("20261201-041500-3f2a"))
    store.write(recording("20261202-041500-3f2a"))
    store.write_advice("20261201-041500-3f2a", ADVICE)
    store.write_advice("20261203-041500-3f2a", ADVICE)  # whose recording was removed
    assert store.newest_advised() == "20261201-041500-3f2a"


def test_ledger_outlives_a_line_that_was_cut_off(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert store.ledger() == []
    store.append({"a": 1})
    with open(store.directory / "ledger.jsonl", "a") as file:
        file.write('{"a": 2')
    store.append({"a": 3})
    assert store.ledger() == [{"a": 1}, {"a": 3}]


def test_load_that_is_not_known_cannot_be_repeated(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with pytest.raises(SiteError, match="cannot be sent again"):
        store.read_load("a")
    store.write_load("a", {"profile": {"name": "p"}, "plan": {"start": 2.0}})
    assert store.read_load("a") == {"profile": {"name": "p"}, "plan": {"start": 2.0}}


def test_ids_sort_by_time() -> None:
    one = new_id(datetime(2026, 12, 1, 4, 15, tzinfo=UTC))
    assert one.startswith("20261201-041500-")
    assert len(one) == 20
