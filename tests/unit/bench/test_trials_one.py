"""One trial: what is kept where its limit has no effect, and where an edit cannot be typed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from bench.trials import one
from bench.trials.catalogue import Trial
from bench.trials.results import all_results
from tests.steps import Wrong

EDIT = {"file": "hosts.yml", "removed": ["    tiers: [x]"], "added": [], "values": []}
ADVICE = {"verdict": "bottleneck", "change": {"edits": [EDIT], "statement": ""}}


class Played:
    """Machines on which nothing is."""

    def __init__(self, home: Path) -> None:
        """Have a file that an edit may be typed into."""
        self.home, self.shape = home, "some"
        self.lab = self
        self.site_directory = home
        self.forgotten = False
        (home / "hosts.yml").write_text("all:\n")

    def converge(self, shape: object) -> None:
        """Print what `espalier site` would."""
        (self.home / "commands.log").write_text("$ espalier site\n")

    def forget_shape(self) -> None:
        """Note that it was asked for."""
        self.forgotten = True


@pytest.fixture
def machines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    def measure(*arguments: Any) -> None:
        arguments[4].update(advice=ADVICE, seconds=80.04)

    monkeypatch.setattr(one, "_measure", measure)
    return Played(tmp_path)


def trial(effect: bool, undone: list[str]) -> Trial:
    @contextmanager
    def limit(machines: object, severity: int) -> Iterator[None]:
        try:
            if not effect:
                raise Wrong("it gets 1.00 of 0.5 cores")
            yield
        finally:
            undone.append(f"severity {severity}")

    return Trial("01", "a quota", {"nursery": []}, limit)


def test_limit_without_effect_is_void(machines: Any, tmp_path: Path) -> None:
    undone: list[str] = []
    found = one.run_trial(machines, trial(False, undone), "nursery", 2, folder=tmp_path)
    assert found.void == "it gets 1.00 of 0.5 cores"
    assert not found.advice
    assert undone == ["severity 2"]
    assert machines.shape is None  # the machines begin anew
    assert list(all_results(tmp_path)) == [found]


def test_advice_is_kept_with_what_was_printed(machines: Any, tmp_path: Path) -> None:
    found = one.run_trial(machines, trial(True, []), "nursery", 1, folder=tmp_path)
    assert (found.advice, found.void, found.seconds) == (ADVICE, "", 80.0)
    assert (tmp_path / "nursery-01-1.txt").read_text() == "$ espalier site\n"
    assert machines.shape == "some"


def test_edit_that_cannot_be_typed_takes_nothing_from_the_advice(
    machines: Any, tmp_path: Path
) -> None:
    undone: list[str] = []
    found = one.run_trial(
        machines, trial(True, undone), "nursery", 3, whole_loop=True, folder=tmp_path
    )
    assert found.advice == ADVICE
    assert not found.void
    assert found.proof == {"error": "hosts.yml has no line 'tiers: [x]'."}
    assert machines.forgotten
    assert undone == ["severity 3"]
