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
            "vps1: no\n    E: x\nVisitors are served as before.",
        ),
        (
            (
                *PLANNED,
                Done(Task("switch", "vps1", "id-new"), Answer(error="no")),
                Done(Task("rollback", "vps1", "id-old"), Answer()),
            ),
            "vps1: no\nThe machines that had switched went back: visitors are served as before.",
        ),
    ],
)
def test_sentence_tells_what_is_served_now(done: tuple[Done, ...], sentence: str) -> None:
    assert Outcome(ORDER, done, 3.0).sentence() == sentence


TWO = Order(("app1", "app2"), (("app1",), ("app2",)), identity="new")
BEGUN = (
    Done(Task("status", "app1"), Answer(STATUS)),
    Done(Task("status", "app2"), Answer(STATUS)),
    Done(Task("plan", "app1"), Answer({"app1": "id-new", "app2": "id-new"})),
)
FIRST = (*BEGUN, Done(Task("switch", "app1", "id-new"), Answer()))
REFUSED = Answer(error="lock failed: the lock over the site was lost", status=3)


def test_machines_that_serve_different_releases_are_told_whatever_the_status() -> None:
    done = (
        *FIRST,
        Done(Task("switch", "app2", "id-new"), REFUSED),
        Done(Task("rollback", "app1", "id-old"), REFUSED),
        Done(Task("rollback", "app2", "id-old"), REFUSED),
    )
    assert Outcome(TWO, done, 3.0).sentence() == (
        "app2: lock failed: the lock over the site was lost\n"
        "app1 did not go back: lock failed: the lock over the site was lost\n"
        "Live now: id-new on app1; id-old on app2."
    )


def test_what_is_live_is_told_as_far_as_it_is_known() -> None:
    lost = Answer(error="the connection was lost.")
    done = (
        *FIRST,
        Done(Task("switch", "app2", "id-new"), lost),
        Done(Task("rollback", "app1", "id-old"), Answer()),
        Done(Task("rollback", "app2", "id-old"), lost),
    )
    text = Outcome(TWO, done, 3.0).sentence()
    assert text.endswith("Live now: id-old on app1; id-old or id-new on app2.")


def test_first_release_that_one_machine_serves_is_told() -> None:
    nothing = Answer(STATUS | {"live": None})
    done = (
        Done(Task("status", "app1"), nothing),
        Done(Task("status", "app2"), nothing),
        *FIRST[2:],
        Done(Task("switch", "app2", "id-new"), Answer(error="no")),
    )
    text = Outcome(TWO, done, 3.0).sentence()
    assert text == "app2: no\nLive now: id-new on app1; nothing or id-new on app2."
    text = Outcome(TWO, (*done[:3], done[-1]), 3.0).sentence()
    assert text == "app2: no\nVisitors are served as before."


def test_step_refused_without_the_lock_before_a_switch_leaves_all_as_it_was() -> None:
    done = (*BEGUN, Done(Task("build", "app1", "id-new"), REFUSED))
    text = Outcome(TWO, done, 3.0).sentence()
    assert text.endswith("was lost\nVisitors are served as before.")


@pytest.mark.parametrize(
    ("order", "done", "running", "sentence"),
    [
        (
            TWO,
            BEGUN,
            (Task("build", "app1", "id-new"),),
            "Interrupted before any machine was switched, so visitors are served as before; the "
            "same command finishes it.",
        ),
        (
            TWO,
            FIRST,
            (Task("switch", "app2", "id-new"),),
            "Interrupted; live now: id-new on app1, id-old or id-new on app2; the same command "
            "finishes it, and `espalier rollback` undoes it.",
        ),
        (
            Order(TWO.machines, TWO.batches, rollback_to=""),
            FIRST,
            (),
            "Interrupted; live now: id-new on app1, id-old on app2; the same command finishes it.",
        ),
        (
            Order(TWO.machines, TWO.batches, rollback_to=""),
            (*FIRST, Done(Task("switch", "app2", "id-new"), Answer())),
            (Task("clean", "app1"),),
            "Interrupted; live now: id-new on app1, app2; only what follows the switch was not "
            "done.",
        ),
    ],
)
def test_interrupted_release_tells_what_is_live_and_what_to_type(
    order: Order, done: tuple[Done, ...], running: tuple[Task, ...], sentence: str
) -> None:
    outcome = Outcome(order, done, 3.0, interrupted=True, running=running)
    assert (outcome.sentence(), outcome.exit_status) == (sentence, 130)
    assert outcome.result()["error"]["status"] == 130
    assert outcome.result()["ok"] is False
