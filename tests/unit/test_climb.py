"""The steps of a climb."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from espalier.load.ladder import ClimbError, steps_of, with_tiers

ROOT = Path(__file__).resolve().parents[2]


def test_up_the_ladder_and_down_again() -> None:
    steps = steps_of(["replicas", "redis"])
    assert [
        (step.name, step.tiers, step.secret or step.tier, step.unchanged) for step in steps
    ] == [
        ("baseline", [], "", False),
        ("+ replicas", ["replicas"], "replicas", False),
        ("+ redis", ["replicas", "redis"], "redis", False),
        ("new authority", ["replicas", "redis"], "authority", True),
        ("- redis", ["replicas"], "", False),
        ("- replicas", [], "", True),
    ]


def test_unknown_tier() -> None:
    with pytest.raises(ClimbError, match="The ladder has replicas, pgbouncer, redis, app"):
        steps_of(["replica"])


def test_only_a_lab_is_climbed() -> None:
    command = [sys.executable, "molecule/climb/climb.py", "-i", "inventories/example"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1
    assert "is no lab, and a climb is for throw-away" in done.stderr


def test_tiers_are_edited_where_a_user_would() -> None:
    text = "all:\n  vars:\n    tiers: [redis]  # on\n    lab: {}\n"
    assert with_tiers(text, []) == "all:\n  vars:\n    tiers: []\n    lab: {}\n"
    with pytest.raises(ClimbError, match=r"There must be one line `tiers: .*there are 2"):
        with_tiers(text * 2, [])
