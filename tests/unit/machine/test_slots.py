"""Slots, and what systemd and ss say of them."""

from __future__ import annotations

import pytest

from espalier_machine.release.slots import backlog, idle_slot
from espalier_machine.release.units import has_failed


@pytest.mark.parametrize(("live", "slot"), [(None, "blue"), ("blue", "green"), ("green", "blue")])
def test_the_idle_slot_is_chosen(live, slot):
    assert idle_slot(live) == slot


@pytest.mark.parametrize(
    ("state", "failed"),
    [
        ({"ActiveState": "activating", "NRestarts": "0"}, False),
        ({"ActiveState": "active", "NRestarts": "0"}, False),
        ({"ActiveState": "inactive", "Job": "12"}, False),
        ({"ActiveState": "inactive"}, True),
        ({"ActiveState": "failed"}, True),
        ({"ActiveState": "activating", "NRestarts": "1"}, True),
    ],
)
def test_a_unit_that_ended_is_seen(state, failed):
    assert has_failed(state) is failed


def test_the_backlog_is_read_from_ss():
    listing = (
        "u_str LISTEN 3 2048 /run/orchard/web-blue.sock 1 * 0\n"
        "u_str LISTEN 7 2048 /run/orchard/web-green.sock 2 * 0\n"
    )
    assert backlog(listing, "/run/orchard/web-blue.sock") == 3
    assert backlog(listing, "/run/other.sock") == 0
