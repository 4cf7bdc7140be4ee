"""`espalier report`: of the newest recording, of one by its name, and of a file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from espalier.cli.main import main
from espalier.insight.advice import Advice, Change, Place, Remedy, Verdict
from espalier.insight.evidence import Database, Evidence, Interval, Kind, Part, Split
from espalier.insight.recording import Machine, Recording, Request, SiteFacts, write_recording
from espalier.measuring import engine
from espalier.measuring.store import Store

BEGAN = 1796098500.0  # 2026-12-01 04:15:00 UTC
SITE = SiteFacts(project="orchard", tiers=[], duties={}, services={})
ADVICE = Advice(
    verdict=Verdict.NOTHING,
    place=Place.NOWHERE,
    where="",
    sentence="Change nothing.",
    certainty=0.0,
    limit=None,
    evidence=[],
    change=None,
)


def request(t: float) -> Request:
    """Return a page that was answered some seconds after the beginning."""
    return Request(
        BEGAN + t, "/", "k", "GET", 200, 900, 0.1, 0.1, 0.0, "", False, "", "index",
        0.1, 0.1, 0.0, 0.0, 0, 0, 0, 0.0, 0.0, 0, 0, 0.0, 7,
    )  # fmt: skip


def recording(name: str, day: str = "2026-12-01", requests: Sequence[Request] = ()) -> Recording:
    """Return a recording of ten minutes."""
    machine = Machine(cores=2.0, memory_mb=2000.0, services=[], requests=list(requests))
    return Recording(
        id=name,
        made=f"{day}T04:25:00Z",
        kit="0.15.0",
        environment="production",
        purpose="measure",
        began=BEGAN,
        ended=BEGAN + 600,
        site=SITE,
        machines={"vps1": machine},
    )


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """Two recordings of an environment; what is made of them is another module's work."""
    inventory = tmp_path / "production"
    inventory.mkdir()
    for name in ("hosts.yml", "topology.yml"):
        (inventory / name).write_text("{}\n")
    found = Store(inventory)
    found.write(recording("20261130-041500-aaaa"))
    found.write(recording("20261201-041500-bbbb"))
    evidence = Evidence(
        site=SITE, purpose="measure", seconds=600.0, rate=0.0, rate_django=0.0, sustained=0.0,
        failed=False, enough=False, why_not="", parts=[], certain=0.0, split=Split(), views=[],
        database=Database(), machines={}, statements=[], timing=False,
    )  # fmt: skip
    monkeypatch.setattr(engine, "observe", lambda recording: evidence)
    monkeypatch.setattr(engine, "advise", lambda evidence: ADVICE)
    monkeypatch.setattr(engine, "advice_text", lambda advice, *_: advice.sentence)
    monkeypatch.chdir(tmp_path)
    return found


def report(store: Store, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["report", "-i", str(store.inventory), *arguments])


def test_text_has_the_advice_and_the_tables(store: Store) -> None:
    done = report(store)
    assert done.exit_code == 0
    lines = done.stdout.splitlines()
    assert lines[0].startswith("orchard, production. Measured on 1 December 2026")
    assert "Change nothing." in lines and "The four words" in lines


def test_page_is_of_the_newest_recording(store: Store) -> None:
    done = report(store, "--html")
    assert (done.exit_code, done.stdout) == (0, "Written: espalier-report.html\n")
    assert "20261201-041500-bbbb" in Path("espalier-report.html").read_text()


def test_page_of_a_named_recording_at_a_named_place(store: Store) -> None:
    done = report(store, "20261130-041500-aaaa", "--html", "other.html")
    assert done.exit_code == 0
    assert "20261130-041500-aaaa" in Path("other.html").read_text()


def test_a_recording_in_the_place_of_the_page_is_refused(store: Store) -> None:
    done = report(store, "--html", "20261130-041500-aaaa")
    assert done.exit_code == 2
    assert "`espalier report 20261130-041500-aaaa --html`" in done.stderr
    assert not Path("20261130-041500-aaaa").exists()


def test_page_that_cannot_be_written_is_said(store: Store) -> None:
    done = report(store, "--html", "missing/report.html")
    assert done.exit_code == 2
    assert "missing/report.html cannot be written: No such file" in done.stderr


def test_json(store: Store) -> None:
    found = json.loads(report(store, "--json").stdout)
    assert (found["ok"], found["recording"]) == (True, "20261201-041500-bbbb")
    assert found["advice"]["sentence"] == "Change nothing."


def test_file_needs_no_environment(store: Store, tmp_path: Path) -> None:
    write_recording(recording("20261101-000000-cccc"), tmp_path / "sent.json")
    done = CliRunner().invoke(main, ["report", str(tmp_path / "sent.json"), "--json"])
    assert json.loads(done.stdout)["recording"] == "20261101-000000-cccc"


def test_recording_is_judged_anew_and_the_ledger_is_shown_with_it(store: Store) -> None:
    kept = Change(Remedy.WORKERS, Place.WORKERS, "More workers.")
    store.write_advice(
        "20261201-041500-bbbb",
        Advice(Verdict.BOTTLENECK, Place.WORKERS, "vps1", "One worker.", 0.9, None, [], kept),
    )
    store.append(
        {
            "made": "2026-11-30T00:00:00Z",
            "environment": "production",
            "remedy": "threads",
            "place": "threads",
            "outcome": "confirmed",
            "measure": "throughput",
            "values": [10.0, 20.0],
            "predicted": [1.8, 2.0, 2.2],
            "measured": [1.9, 2.0, 2.1],
            "at_least": False,
        }
    )
    found = json.loads(report(store, "--json").stdout)
    assert found["advice"]["sentence"] == "Change nothing."  # and not what was advised then
    assert [one["change"] for one in found["proofs"]] == ["threads for threads, 2026-11-30"]


def test_days_of_measurements_have_a_trend_whatever_else_is_there(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    part = Part(
        "processor of vps1", Kind.PROCESSOR, ("vps1",), "", "django", 2.0, 0.1, 0.2,
        Interval(9.0, 10.0, 11.0),
    )  # fmt: skip
    evidence = engine.observe(recording("x"))
    with_part = replace(evidence, rate=1.0, parts=[part])
    monkeypatch.setattr(engine, "observe", lambda recording: with_part)
    for name in store.names():
        store.path(name).unlink()
    for day, count in ((27, 10), (28, 20), (29, 30)):
        seen = [request(1.0 + after / count) for after in range(count)]
        store.write(recording(f"202611{day}-041500-dddd", f"2026-11-{day}", seen))
    store.path("20261128-000000-eeee").write_bytes(b"cut off")
    found = json.loads(report(store, "20261129-041500-dddd", "--json").stdout)
    # 10, 20 and 30 in a minute: a sixth of a request per second more each day.
    assert found["growth"][-1].startswith(
        "Over 3 days the busiest minute grows by 0.17 requests/s a day: "
    )


def test_without_a_measurement_it_is_said_how_to_make_one(tmp_path: Path) -> None:
    inventory = tmp_path / "production"
    inventory.mkdir()
    for name in ("hosts.yml", "topology.yml"):
        (inventory / name).write_text("{}\n")
    done = CliRunner().invoke(main, ["report", "-i", str(inventory)])
    assert done.exit_code == 2 and "espalier measure" in done.stderr
