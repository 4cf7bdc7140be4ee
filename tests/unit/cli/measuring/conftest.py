"""What the tests of the commands that measure share: machines that are processes here."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import make_dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from espalier.insight.recording import Load
from espalier.inventory.site import Site, SiteError
from espalier.measuring import engine, session
from espalier.paths import KIT
from tests.unit.measuring.recordings import step
from tests.unit.measuring.remotes import MACHINE, FakeRemote, end_lines, row


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
