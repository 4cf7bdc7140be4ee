"""How a release went, in a word, a sentence and an exit status."""

from __future__ import annotations

import pytest

from espalier.rollout.order import Answer, Done, Order, Task
from espalier.rollout.outcome import Outcome

ORDER = Order(("vps1",), (("vps1",),), identity="new")
STATUS = {
    "live": {"id": "id-old", "identity": "old", "healthy": True},
    "stale": False,
    "releases": [],
}
PLANNED = (
    Done(Task("status", "vps1"), Answer(STATUS)),
    Done(Task("plan", "vps1"), Answer({"vps1": "id-new"})),
)
SWITCHED = (*PLANNED, Done(Task("switch", "vps1", "id-new"), Answer(seconds=2.5)))


@pytest.mark.parametrize(
    ("done", "action", "status"),
    [
        (PLANNED, "unchanged", 0),
        (SWITCHED, "released", 0),
        ((*SWITCHED, Done(Task("hook", "vps1"), Answer(error="it failed"))), "released", 1),
        (
            (*PLANNED, Done(Task("switch", "vps1", "id-new"), Answer(error="no"))),
            "unchanged",
            1,
        ),
        ((Done(Task("lock", "vps1"), Answer(error="busy", status=3)),), "unchanged", 3),
    ],
)
def test_exit_status_tells_how_it_went(done: tuple[Done, ...], action: str, status: int) -> None:
    outcome = Outcome(ORDER, done, 3.0, "shop")
    assert (outcome.action, outcome.exit_status) == (action, status)
    failed = any(one.answer.failed and one.task.step != "hook" for one in done)
    assert outcome.result()["ok"] == (not failed)


def test_result_has_the_durations_and_the_releases_of_each_machine() -> None:
    result = Outcome(ORDER, SWITCHED, 3.0, "shop").result()
    assert result["machines"] == {"vps1": {"release": "id-new", "before": "id-old"}}
    assert result["steps"]["switch"] == {"vps1": 2.5}
    assert result["error"] is None


@pytest.mark.parametrize(
    ("done", "sentence"),
    [
        (PLANNED, "id-new is live already; nothing to do (3.0 s)."),
        (SWITCHED, "id-new is live on vps1 after 3.0 s."),
        (
            (*PLANNED, Done(Task("build", "vps1", "id-new"), Answer(error="no", detail="E: x"))),
            "vps1: no\nE: x\nVisitors are served as before.",
        ),
        (
            (
                *PLANNED,
                Done(Task("switch", "vps1", "id-new"), Answer(error="no")),
                Done(Task("rollback", "vps1", "id-old"), Answer()),
            ),
            "vps1: no\nThe machines that had switched went back.",
        ),
    ],
)
def test_sentence_tells_what_is_served_now(done: tuple[Done, ...], sentence: str) -> None:
    assert Outcome(ORDER, done, 3.0).sentence() == sentence
