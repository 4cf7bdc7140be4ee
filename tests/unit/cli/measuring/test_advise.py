"""espalier advise."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from espalier.insight.advice import Place
from espalier.insight.recording import write_recording
from espalier.measuring import engine
from espalier.measuring.store import Store
from tests.unit.cli.measuring.running import ADVICE, run
from tests.unit.measuring.recordings import recording


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


@pytest.mark.parametrize("as_file", [False, True])
def test_advise_where_nothing_can_be_kept(
    inventory: Path, monkeypatch: pytest.MonkeyPatch, advised: None, as_file: bool
) -> None:
    """A recording that a colleague's directory has, or one on a disk that is read-only or full."""
    store = Store(inventory)
    store.write(recording("20261101-000000-aaaa"))

    def refuse(*_: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("espalier.measuring.store.os.replace", refuse)
    which = [store.path("20261101-000000-aaaa")] if as_file else ["-i", inventory]
    done = run("advise", *which)
    assert done.exit_code == 0, done.output
    assert "One worker process is full." in done.stdout
    assert "will not know it" in done.stderr
    assert store.read_advice("20261101-000000-aaaa") is None


def test_advise_without_a_recording(inventory: Path) -> None:
    done = run("advise", "-i", inventory)
    assert done.exit_code == 2
    assert "`espalier measure`" in done.stderr
