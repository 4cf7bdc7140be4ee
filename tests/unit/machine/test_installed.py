"""Old versions of a program are removed, never one that a process or the wrapper uses."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

import pytest

from espalier_machine.common.installed import GRACE, remove_unused_in

NOW = time.time()


@pytest.fixture
def wrapper(tmp_path: Path) -> Path:
    """A wrapper that was written an hour ago and runs release-3.pyz; 1, 2 and 4 are there too."""
    for number, age in {1: 7200, 2: 5400, 3: 3660, 4: 30}.items():
        path = tmp_path / f"release-{number}.pyz"
        path.write_bytes(b"")
        os.utime(path, (NOW - age, NOW - age))
    (tmp_path / "postgresql-replica-1.pyz").write_bytes(b"")
    path = tmp_path / "release"
    path.write_text(f'#!/bin/sh\nexec /usr/bin/python3 -I -S {tmp_path}/release-3.pyz "$@"\n')
    os.utime(path, (NOW - 3600, NOW - 3600))
    return path


def left(wrapper: Path) -> list[str]:
    return sorted(path.stem for path in wrapper.parent.glob("*.pyz"))


def test_versions_before_the_wrapper_s_are_removed(wrapper: Path) -> None:
    assert remove_unused_in(wrapper.parent, wrapper) == ["release-1.pyz", "release-2.pyz"]
    # The fourth was written after the wrapper: a run is about to write the wrapper for it.
    assert left(wrapper) == ["postgresql-replica-1", "release-3", "release-4"]


def test_version_that_a_process_runs_from_stays_until_the_process_ends(wrapper: Path) -> None:
    with open(wrapper.parent / "release-1.pyz") as used:
        fcntl.flock(used, fcntl.LOCK_SH)
        assert remove_unused_in(wrapper.parent, wrapper) == ["release-2.pyz"]
    assert remove_unused_in(wrapper.parent, wrapper) == ["release-1.pyz"]


def test_nothing_is_removed_while_somebody_may_have_read_the_wrapper_before(wrapper: Path) -> None:
    os.utime(wrapper, (time.time() - GRACE / 2,) * 2)
    assert remove_unused_in(wrapper.parent, wrapper) == []
    wrapper.unlink()
    assert remove_unused_in(wrapper.parent, wrapper) == []
    assert len(left(wrapper)) == 5
