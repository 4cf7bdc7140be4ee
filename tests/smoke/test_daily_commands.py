"""Issue 10: what a person types day by day works from one clone, by the commands of the README."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from subprocess import Popen

import pytest

Make = Callable[..., str]
LIVE = r"(?m)^vps1 +(\S+) +.*yes"


def live(make: Make) -> str:
    """Give the id of the release that `make status` calls live and healthy."""
    output = make("status")
    found = re.search(LIVE, output)
    assert found, output
    return found[1]


def test_converged_site_is_planned_to_stay_as_it_is(make: Make) -> None:
    assert "Nothing would change." in make("plan")


def test_live_release_is_logged(make: Make) -> None:
    assert live(make) in make("log")


def test_release_of_the_same_project_changes_nothing(make: Make) -> None:
    before = live(make)
    make("release")
    assert live(make) == before


def test_django_and_the_database_are_asked(make: Make) -> None:
    assert "no issues" in make("manage", "CMD=check")
    assert re.search(r"(?m)^ *42$", make("psql", "CMD=select 6 * 7"))


def test_what_django_writes_is_followed(
    begun: Callable[..., Popen[str]], inventory_path: Path
) -> None:
    logs = begun("make", "--no-print-directory", "logs", f"INVENTORY={inventory_path}")
    assert logs.stdout
    assert "vps1" in logs.stdout.readline()
    assert logs.poll() is None, "it follows until it is stopped"


def test_site_is_closed_and_opened_for_maintenance(make: Make) -> None:
    assert "/ is closed" in make("maintenance", "STATE=on")
    try:
        assert "/" in make("maintenance", "STATE=status")
        with pytest.raises(AssertionError, match="503"):
            make("load", "LOAD=--read-only --seconds 1")
    finally:
        assert "/ is open" in make("maintenance", "STATE=off")


def test_visitors_read_and_write(make: Make) -> None:
    output = make("load", "LOAD=--seconds 10")
    assert re.search(r"sent [1-9]\d*, failed 0, ", output)
    assert re.search(r"[1-9]\d* acknowledged, [1-9]\d* stored, 0 lost, 0 doubled", output)
