"""The commands that measure, with machines that are processes here."""

from __future__ import annotations

import json
import shutil
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import make_dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner, Result

from espalier.cli.duration import Duration, written
from espalier.cli.load import planned
from espalier.cli.main import main
from espalier.cli.prove import plan_again
from espalier.insight.advice import Advice, Change, Edit, Place, Remedy, Verdict
from espalier.insight.evidence import Interval
from espalier.insight.recording import Load, write_recording
from espalier.inventory.site import Site, SiteError
from espalier.measuring import engine, session
from espalier.measuring.store import Store
from espalier.paths import KIT
from tests.unit.measuring.recordings import recording, step
from tests.unit.measuring.remotes import MACHINE, FakeRemote, end_lines, row

ADVICE = Advice(
    verdict=Verdict.BOTTLENECK,
    place=Place.WORKERS,
    where="vps1",
    sentence="One worker process is full.",
    certainty=0.92,
    limit=Interval(9, 10, 11),
    evidence=[],
    change=Change(
        remedy=Remedy.WORKERS,
        place=Place.WORKERS,
        sentence="Let there be 3.",
        edits=[Edit("hosts.yml", ["workers: 1"], ["workers: 3"])],
        gain=Interval(1.5, 2.0, 2.5),
        after=Interval(15, 20, 25),
    ),
)
PLAN = {"seconds": 60.0, "warm_up": 15.0, "start": 2.0, "last": None, "search": True}


@pytest.fixture
def inventory(tmp_path: Path) -> Path:
    """The example inventory, where a test may write."""
    copy = tmp_path / "deploy/staging"
    shutil.copytree(KIT / "inventories/example", copy)
    return copy


@pytest.fixture
def machines(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> SimpleNamespace:
    """What the machines print: `last` may be changed by a test."""
    now = time.time()
    played = SimpleNamespace(
        last=end_lines([row(now) for _ in range(9)] + [row(now, status=502)]),
        script={},
        remotes=[],
    )

    @contextmanager
    def reach(site: Site) -> Iterator[FakeRemote]:
        folder = tmp_path / "machine"
        folder.mkdir(exist_ok=True)
        sample = {"t": time.time(), "dt": 1.0, "processor": {"busy": 0.5}}
        first = [MACHINE, {"sample": sample}]
        remote = FakeRemote(site, folder, first, played.last, played.script)
        played.remotes.append(remote)
        yield remote

    monkeypatch.setattr(session, "reach", reach)
    return played


def run(*words: object) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


def ends_at_once(machines: SimpleNamespace) -> None:
    machines.script["vps1"] = "cat first last"


def test_measure_tells_the_four_words(inventory: Path, machines: SimpleNamespace) -> None:
    ends_at_once(machines)
    done = run("measure", "-i", inventory, "--for", "20s")
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert lines[0].startswith("RESPONSE TIME  median 100 ms, 95% within 100 ms")
    assert lines[2] == "AVAILABILITY   90.00% of 10 requests"
    assert "processor of vps1" in done.stdout
    assert "100% of Django's time: home, 10 requests of 100 ms" in done.stdout
    assert f"`espalier advise -i {inventory}`" in lines[-1]
    kept = Store(inventory).newest()
    assert (kept.purpose, len(kept.machines["vps1"].requests)) == ("measure", 10)
    assert kept.site.workers == {"vps1": 3}


def test_measure_as_json(inventory: Path, machines: SimpleNamespace) -> None:
    ends_at_once(machines)
    done = run("measure", "-i", inventory, "--for", "20s", "--json")
    told = json.loads(done.stdout)
    assert told["ok"] is True
    assert told["requests"] == 10
    assert told["available"] == pytest.approx(0.9)
    assert told["recording"] == Store(inventory).names()[0]
    assert told["errors"] == ["vps1: pgbouncer was not asked."]


def test_measure_without_the_program(inventory: Path, machines: SimpleNamespace) -> None:
    machines.script["vps1"] = "exit 127"
    done = run("measure", "-i", inventory)
    assert done.exit_code == 1
    assert "vps1 has no program that records yet. `espalier site`" in done.stderr
    assert Store(inventory).names() == []


@pytest.mark.parametrize(("shortest", "kept"), [(0.1, 1), (600, 0)])
def test_ctrl_c_keeps_what_is_worth_it(
    inventory: Path,
    machines: SimpleNamespace,
    monkeypatch: pytest.MonkeyPatch,
    shortest: float,
    kept: int,
) -> None:
    monkeypatch.setattr(session, "SHORTEST", shortest)
    timer = threading.Timer(3, signal.raise_signal, [signal.SIGINT])
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    timer.start()
    try:
        done = run("measure", "-i", inventory, "--for", "1h")
    finally:
        timer.cancel()
        signal.signal(signal.SIGINT, before)
    assert done.exit_code == 130
    names = Store(inventory).names()
    assert len(names) == kept
    if kept:  # what the machine told after the end of its input
        assert len(Store(inventory).newest().machines["vps1"].requests) == 10


class Profile(SimpleNamespace):
    """A profile, as far as commands look into it."""

    def model_dump(self) -> dict[str, Any]:
        """What is kept of it."""
        return {"name": self.name}


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A load that is over at once; gives what it was asked for, and how it goes."""
    seen = SimpleNamespace(plan=None, permitted=None, profile=None, refused=None, load=None)
    seen.load = Load(
        profile="p",
        steps=[step(8, 8, 0), step(12, 10, 60, passed=False)],
        knee=8.0,
        ended="The site no longer kept up.",
    )

    def plan(**values: Any) -> Any:
        given = {"only_rate": None, "last": None, "most_seconds": 1800.0, **values}
        return make_dataclass("Plan", given)(**given)

    def permit(environment: str, hostvars: Any, profile: Any, rate: float, bound: Any) -> None:
        seen.permitted = (environment, rate, bound)
        if seen.refused:
            raise SiteError(seen.refused, 2)

    def run_load(site: Any, profile: Any, plan: Any, *, stop: Any, on_step: Any, on_begin: Any):
        seen.plan, seen.profile = plan, profile
        for one in seen.load.steps:
            on_begin(one.offered)
            on_step(one)
        return seen.load

    monkeypatch.setattr(engine, "plan", plan)
    monkeypatch.setattr(engine, "permit", permit)
    monkeypatch.setattr(engine, "is_copy", lambda environment, hostvars: True)
    monkeypatch.setattr(engine, "run_load", run_load)
    monkeypatch.setattr(engine, "profile_file", lambda path: Profile(name=path.stem))
    monkeypatch.setattr(engine, "profile_of", lambda one: Profile(name=f"like {one.id}"))
    monkeypatch.setattr(engine, "profile_kept", lambda values: Profile(**values))
    monkeypatch.setattr(engine, "profile_of_links", lambda site: Profile(name="links"))
    return seen


def test_load_tells_each_step_and_the_knee(
    inventory: Path, machines: SimpleNamespace, load: SimpleNamespace, tmp_path: Path
) -> None:
    profile = tmp_path / "shop.yml"
    done = run("load", "-i", inventory, "--profile", profile, "--steps", "5-80")
    assert done.exit_code == 0, done.output
    assert "8.0 requests/s: 8.0 answered" in done.stderr
    assert "12.0 requests/s: 10.0 answered" in done.stderr
    assert "It carries 8.0 requests/s (480 a minute)" in done.stdout
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
    load.load = load.load.model_copy(update={"valid": False, "invalid": "it was late"})
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


@pytest.fixture
def advised(monkeypatch: pytest.MonkeyPatch) -> None:
    """An advice that is always the same."""
    monkeypatch.setattr(engine, "observe", lambda recording: recording)
    monkeypatch.setattr(engine, "advise", lambda evidence: ADVICE)
    monkeypatch.setattr(
        engine, "advice_text", lambda advice, evidence, record: f"{advice.sentence} {record}"
    )


def test_advise_a_file_needs_no_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, advised: None
) -> None:
    write_recording(recording(), tmp_path / "shop.json.gz")
    monkeypatch.chdir(tmp_path)
    done = run("advise", "shop.json.gz")
    assert done.exit_code == 0, done.output
    assert "One worker process is full." in done.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["shop.json.gz"]


def test_advise_keeps_what_it_said_of_the_newest(inventory: Path, advised: None) -> None:
    store = Store(inventory)
    store.write(recording("20261101-000000-aaaa"))
    store.write(recording("20261102-000000-aaaa"))
    done = run("advise", "-i", inventory, "--json")
    assert json.loads(done.stdout)["recording"] == "20261102-000000-aaaa"
    kept = store.read_advice("20261102-000000-aaaa")
    assert kept and kept.place is Place.WORKERS
    # An older one, by its file: the advice is kept beside it, too.
    assert run("advise", store.path("20261101-000000-aaaa")).exit_code == 0
    assert store.read_advice("20261101-000000-aaaa")


def test_advise_without_a_recording(inventory: Path) -> None:
    done = run("advise", "-i", inventory)
    assert done.exit_code == 2
    assert "`espalier measure`" in done.stderr


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
    assert "10.0 → 20.0 requests/s: 2.00 times as good" in done.stdout
    assert "last prediction: error 0%" in done.stdout
    assert (load.plan.start, load.plan.last, load.plan.seconds) == (6.4, 25, 60)
    assert (load.plan.search, load.profile.name) == (False, "p")
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
    assert plan_again(PLAN, load, None) == PLAN | {"start": 8.0, "last": None, "search": False}
    assert plan_again(PLAN | {"only_rate": 5.0}, load, ADVICE.change)["only_rate"] == 5.0


@pytest.mark.parametrize(
    ("text", "seconds"), [("30s", 30), ("10m", 600), ("1h", 3600), ("45", 45), ("1.5m", 90)]
)
def test_durations(text: str, seconds: float) -> None:
    assert Duration().convert(text, None, None) == seconds


@pytest.mark.parametrize("text", ["25h", "0s", "soon", "-5m", "10d"])
def test_lengths_that_are_none(inventory: Path, text: str) -> None:
    done = run("measure", "-i", inventory, "--for", text)
    assert done.exit_code == 2
    assert "--for" in done.stderr


def test_durations_are_written_as_they_are_typed() -> None:
    assert [written(one) for one in (30, 600, 3600, 90)] == ["30s", "10m", "1h", "90s"]
