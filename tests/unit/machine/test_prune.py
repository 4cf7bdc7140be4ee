"""What is kept, and what is removed."""

from __future__ import annotations

from pathlib import Path

import pytest

from espalier_machine.release.prune import kept
from espalier_machine.release.record import Release

from .fakes import archive, run_json


@pytest.mark.parametrize(
    ("good", "pinned", "live", "keep", "expected"),
    [
        ("dcba", "dc", "d", 2, "dc"),
        ("dcba", "da", "d", 2, "dca"),  # the idle slot holds an old one
        ("dba", "d", "d", 2, "db"),  # c never went live and is older: dropped
        ("cba", "c", "c", 2, "dcb"),  # d waits for its switch
        ("dcba", "a", "a", 1, "da"),  # rolled back: the newer good one stays
        ("", "", None, 2, "dcba"),
    ],
)
def test_what_clean_keeps(good, pinned, live, keep, expected):
    newest_first = [Release(Path(id), {}) for id in "dcba"]
    assert kept(newest_first, set(good), set(pinned), live, keep) == set(expected)


def test_release_that_nothing_runs_from_can_be_removed(machine, tmp_path, capsys):
    assert run_json(capsys, "deploy", str(archive(tmp_path / "a.tar.gz")), "--id", "a")[0] == 0
    other = archive(tmp_path / "b.tar.gz", identity="fedcba9876543210")
    assert run_json(capsys, "prepare", str(other), "--id", "b")[0] == 0
    status, said = run_json(capsys, "remove", "a")
    assert status == 2
    assert "it is not removed" in said["error"]
    assert run_json(capsys, "remove", "b")[0] == 0
    assert [one.id for one in machine.all()] == ["a"]
