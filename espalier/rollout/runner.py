"""Runs an order to its end: asks, at each step, what is next, and has machines do it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from espalier.inventory.site import SiteError
from espalier.rollout.display import Display
from espalier.rollout.order import Answer, Done, Order, Task, answer_plan, next_tasks
from espalier.rollout.outcome import Outcome

# Does tasks at the same time; gives their answers in the same order.
PerformAll = Callable[[Sequence[Task], Callable[[Task], Answer]], Sequence[Answer]]


class Interrupted(Exception):
    """Somebody ended a release, whose `outcome` is known as far as it had come."""

    def __init__(self, outcome: Outcome) -> None:
        """Take what is known."""
        super().__init__("interrupted")
        self.outcome = outcome


def run_order(
    order: Order,
    perform: Callable[[Task], Answer],
    perform_all: PerformAll,
    display: Display,
    project: str = "",
    began: float | None = None,
) -> Outcome:
    """Do what an order comes to.

    Args:
        order: what is wanted.
        perform: does one task on its machine; never raises.
        perform_all: does several at the same time.
        display: is told when a task begins and ends.
        project: its name.
        began: when the person began to wait, as `time.monotonic()`; now by default.

    Raises:
        Interrupted: somebody ended it (Ctrl-C), with what is known of it.
    """
    began = time.monotonic() if began is None else began
    done: list[Done] = []
    running: list[Task] = []
    ended: list[Done] = []  # of the stage that runs, in the order in which they end

    def work(task: Task) -> Answer:
        running.append(task)
        display.begin(task.step, task.machine)
        answer = _plan(order, done) if task.step == "plan" else perform(task)
        running.remove(task)
        ended.append(Done(task, answer))
        note = "FAILED" if answer.failed else answer.note
        told = answer.data.get("told", ())
        display.end(task.step, task.machine, answer.seconds, note, told)
        return answer

    try:
        while tasks := next_tasks(order, done):
            ended.clear()
            found = perform_all(tasks, work)
            done += [Done(task, answer) for task, answer in zip(tasks, found, strict=True)]
    except KeyboardInterrupt:
        display = Display(None)  # what ends now was cut off here, which says nothing of a machine
        known = (*done, *(one for one in ended if one not in done))
        seconds = time.monotonic() - began
        raise Interrupted(
            Outcome(order, known, seconds, project, interrupted=True, running=tuple(running))
        ) from None
    return Outcome(order, tuple(done), time.monotonic() - began, project)


def _plan(order: Order, done: Sequence[Done]) -> Answer:
    """Choose the releases, which no machine has to be asked for."""
    began = time.monotonic()
    try:
        ids = answer_plan(order, done)
    except SiteError as error:
        return Answer(error=str(error), status=error.status, detail=error.detail)
    note = ids[order.first] if not order.is_rollback else f"back to {ids[order.first]}"
    answer = Answer(ids, note)
    return replace(answer, seconds=round(time.monotonic() - began, 2))
