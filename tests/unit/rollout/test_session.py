"""What a whole request leaves behind, when it ends by itself and when it is cut off."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from espalier.inventory.site import Site
from espalier.rollout import session
from espalier.rollout.display import Display
from espalier.rollout.lock import take
from espalier.rollout.order import Answer, Task
from espalier.rollout.request import Request
from espalier.rollout.session import Session

SITE = Site(
    Path("inventories/x"),
    "shop",
    {"services": {"django": ["app1", "app2"], "nginx": []}},
    {},
    {},
    {},
)


def rollback(
    monkeypatch: pytest.MonkeyPatch, hold: Callable[[str], Any], perform: Callable[[Task], Answer]
) -> Any:
    """Roll a site back, of which each task is answered by `perform`; gives the outcome."""

    @contextmanager
    def starting(site: Site, what: str, by: str) -> Iterator[Any]:
        yield hold(by)

    monkeypatch.setattr(session, "starting", starting)
    monkeypatch.setattr(session, "reachability", lambda remote: None)
    monkeypatch.setattr(session.Transport, "perform", lambda self, task: perform(task))
    remote: Any = SimpleNamespace(site=SITE)
    return Session(remote, {}, Request(rollback_to="", by="ann"), Display(None)).run()


def status(task: Task) -> Answer:
    rows = [
        {"id": "id-new", "identity": "new", "good": True},
        {"id": "id-old", "identity": "old", "good": True},
    ]
    live = {"id": "id-new", "identity": "new", "healthy": True}
    return Answer({"live": live, "stale": False, "releases": rows})


def test_failure_after_the_way_back_leaves_nothing_that_was_cut_off(
    monkeypatch: pytest.MonkeyPatch, hold: Callable[[str], Any]
) -> None:
    outcome = rollback(monkeypatch, hold, lambda task: Answer(error="it is broken"))
    assert outcome.exit_status == 1
    lock = take(["app1", "app2"], hold("bert"))
    assert lock.note == ""
    lock.release()


def test_interrupted_release_ends_its_lock_and_is_spoken_of_by_the_next(
    monkeypatch: pytest.MonkeyPatch, hold: Callable[[str], Any]
) -> None:
    def perform(task: Task) -> Answer:
        if (task.step, task.machine) == ("switch", "app2"):
            raise KeyboardInterrupt
        return status(task)

    outcome = rollback(monkeypatch, hold, perform)
    assert outcome.exit_status == 130
    assert outcome.sentence() == (
        "Interrupted; live now: id-old on app1, id-new or id-old on app2; the same command "
        "finishes it."
    )
    lock = take(["app1", "app2"], hold("bert"))
    assert "ann began" in lock.note
    lock.release()
