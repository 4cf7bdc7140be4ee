"""espalier prove."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

from espalier.cli.prove import plan_again
from espalier.insight.recording import Load
from espalier.measuring.store import Store
from tests.unit.cli.measuring.running import ADVICE, run
from tests.unit.measuring.recordings import recording, step

PLAN = {"seconds": 60.0, "warm_up": 15.0, "start": 2.0, "last": None, "search": True}


def before_change(inventory: Path) -> Store:
    """A store with a load of before, what was advised of it, and another site's workers."""
    store = Store(inventory)
    old = Load(profile="p", steps=[step(8, 8, 0), step(12, 10, 60, passed=False)], knee=8.0)
    store.write(recording("20261101-000000-aaaa", load=old))
    store.write_advice("20261101-000000-aaaa", ADVICE)
    store.write_load("20261101-000000-aaaa", {"profile": {"name": "p"}, "plan": PLAN})
    return store


def of_project(store: Store) -> None:
    """The recording of before is of the example's project."""
    old = store.read("20261101-000000-aaaa")
    store.write(old.model_copy(update={"site": old.site.model_copy(update={"project": "orchard"})}))


def test_prove_repeats_the_load_and_writes_the_ledger(
    inventory: Path, machines: SimpleNamespace, load: SimpleNamespace
) -> None:
    store = before_change(inventory)
    of_project(store)
    load.load = Load(profile="p", steps=[step(16, 16, 0), step(24, 20, 60, passed=False)], knee=16)
    done = run("prove", "-i", inventory)
    assert done.exit_code == 0, done.output
    assert "VERDICT    confirmed" in done.stdout
    assert "10.0 → 20.0 requests/s: 2.00 (1.94 to 2.06) times as many" in done.stdout
    assert "last prediction: error 0%" in done.stdout
    assert (load.plan.start, load.plan.last, load.plan.seconds) == (6.4, 25, 60)
    assert (load.plan.search, load.profile.name) == (True, "p")
    [entry] = store.ledger()
    assert (entry["outcome"], entry["before"]) == ("confirmed", "20261101-000000-aaaa")
    assert entry["after"] == store.names()[-1]


def test_prove_says_how_to_take_back_what_made_it_worse(
    inventory: Path, machines: SimpleNamespace, load: SimpleNamespace
) -> None:
    of_project(before_change(inventory))
    load.load = Load(profile="p", steps=[step(4, 4, 0), step(6, 5, 60, passed=False)], knee=4)
    done = run("prove", "-i", inventory)
    assert "VERDICT    worse" in done.stdout
    assert "  - workers: 3\n  + workers: 1" in done.stdout
    assert f"`espalier site -i {inventory}`" in done.stdout


def test_prove_without_an_advice(inventory: Path) -> None:
    Store(inventory).write(recording())
    done = run("prove", "-i", inventory)
    assert done.exit_code == 2
    assert "Nothing was advised yet" in done.stderr


def test_what_proves_nothing_is_not_in_the_ledger(
    inventory: Path, machines: SimpleNamespace, load: SimpleNamespace
) -> None:
    store = before_change(inventory)  # of another project
    done = run("prove", "-i", inventory, "--json")
    assert json.loads(done.stdout)["outcome"] == "nothing proven"
    assert store.ledger() == []


def test_plan_without_a_prediction_goes_up_to_the_limit() -> None:
    load = Load(profile="p", steps=[], knee=10.0)
    assert plan_again(PLAN, load, None) == PLAN | {"start": 8.0, "last": None, "search": True}
    assert plan_again(PLAN | {"only_rate": 5.0}, load, ADVICE.change)["only_rate"] == 5.0
