"""The steps of a climb."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

COMMAND = Path(__file__).parents[2] / "molecule/climb/climb.py"
spec = importlib.util.spec_from_file_location("climb", COMMAND)
assert spec and spec.loader
climb = importlib.util.module_from_spec(spec)
sys.modules["climb"] = climb
spec.loader.exec_module(climb)


def test_up_the_ladder_and_down_again() -> None:
    steps = climb.steps_of(["replicas", "redis"])
    assert [(step.name, step.tiers, step.tier, step.unchanged) for step in steps] == [
        ("baseline", [], "", False),
        ("+ replicas", ["replicas"], "replicas", False),
        ("+ redis", ["replicas", "redis"], "redis", True),
        ("- redis", ["replicas"], "", False),
        ("- replicas", [], "", True),
    ]


def test_unknown_tier() -> None:
    with pytest.raises(climb.ClimbError, match="The ladder has replicas, pgbouncer, redis, app"):
        climb.steps_of(["replica"])


def test_only_a_lab_is_climbed() -> None:
    example = Path(__file__).parents[2] / "inventories/example"
    with pytest.raises(climb.ClimbError, match="is no lab, and a climb is for throw-away"):
        climb.Climb(example)


def test_tiers_are_edited_where_a_user_would() -> None:
    text = "all:\n  vars:\n    tiers: [redis]  # on\n    lab: {}\n"
    assert climb.TIERS_LINE.subn(r"\1 []", text) == (
        "all:\n  vars:\n    tiers: []\n    lab: {}\n",
        1,
    )
