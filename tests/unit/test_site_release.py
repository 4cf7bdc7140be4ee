"""Whether `site.yml` finds that a machine needs a release."""

from __future__ import annotations

import json
from typing import Any

import pytest

from plugins.action.site_release import _is_live, _status

LIVE: dict[str, Any] = {
    "live": {"id": "r2", "identity": "2", "healthy": True},
    "stale": False,
    "releases": [{"id": "r2", "identity": "2"}],
}


@pytest.mark.parametrize(
    ("change", "is_live"),
    [
        ({}, True),  # as an older release command answers
        ({"unfinished": False}, True),
        ({"unfinished": True}, False),
        ({"stale": True}, False),
    ],
)
def test_machine_whose_release_was_cut_off_is_released_again(
    change: dict[str, bool], is_live: bool
) -> None:
    statuses = {"app1": _status(json.dumps(LIVE)), "app2": _status(json.dumps(LIVE | change))}
    assert _is_live(statuses, "2") is is_live
    assert not _is_live(statuses, "3")


def test_machine_without_the_command_has_nothing_live() -> None:
    assert not _is_live({"app1": _status("")}, "2")
