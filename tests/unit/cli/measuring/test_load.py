"""espalier load."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from espalier.cli.load import planned
from espalier.measuring.store import Store
from espalier.paths import KIT
from tests.unit.cli.measuring.running import run
from tests.unit.measuring.recordings import recording


def test_load_tells_each_step_and_the_knee(
    inventory: Path, machines: SimpleNamespace, load: SimpleNamespace, tmp_path: Path
) -> None:
    profile = tmp_path / "shop.yml"
    done = run("load", "-i", inventory, "--profile", profile, "--steps", "5-80")
    assert done.exit_code == 0, done.output
    assert "8.0 requests/s: 8.0 answered" in done.stderr
    assert "12.0 requests/s: 10.0 answered" in done.stderr
    assert "The site carries 8.0 requests/s (480 a minute)" in done.stdout
    assert (load.plan.start, load.plan.last, load.plan.warm_up) == (5, 80, 15)
    assert load.permitted == ("staging", 80, None)
    store = Store(inventory)
    assert store.newest().load == load.load
    assert store.read_load(store.names()[0])["profile"] == {"name": "shop"}


def test_load_like_an_environment(
    inventory: Path,
    machines: SimpleNamespace,
    load: SimpleNamespace,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    production = inventory.parent / "production"
    shutil.copytree(KIT / "inventories/example", production)
    Store(production).write(recording("20261101-000000-aaaa"))
    monkeypatch.chdir(inventory.parent.parent)
    done = run("load", "-e", "staging", "--like", "production", "--rate", "5", "--for", "30s")
    assert done.exit_code == 0, done.output
    assert load.profile.name == "like 20261101-000000-aaaa"
    assert (load.plan.only_rate, load.plan.seconds) == (5, 30)
    assert Store(inventory).names() and len(Store(production).names()) == 1


def test_load_that_is_refused_asks_no_machine(
    inventory: Path, machines: SimpleNamespace, load: SimpleNamespace
) -> None:
    load.refused = "It is taken to be production."
    done = run("load", "-i", inventory, "--steps")
    assert done.exit_code == 2
    assert "It is taken to be production." in done.stderr
    assert machines.remotes == []


def test_load_of_a_slow_sender_fails(
    inventory: Path, machines: SimpleNamespace, load: SimpleNamespace
) -> None:
    late = {"valid": False, "invalid": "it was late"}
    load.load = load.load.model_copy(update={**late, "knee": None})
    done = run("load", "-i", inventory, "--json")
    assert done.exit_code == 1
    assert json.loads(done.stdout)["valid"] is False
    assert load.plan.search is True


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--profile", "a", "--like", "b"], "Both --profile and --like"),
        (["--rate", "5", "--steps", "1-2"], "Both --rate and --steps"),
        (["--steps", "fast"], "from which rate to which"),
    ],
)
def test_load_refuses_what_contradicts(inventory: Path, words: list[str], told: str) -> None:
    done = run("load", "-i", inventory, *words)
    assert done.exit_code == 2
    assert told in done.stderr


def test_short_steps_warm_up_for_less() -> None:
    assert planned(None, None, 60, 20) == {"seconds": 20, "warm_up": 5, "search": True}
