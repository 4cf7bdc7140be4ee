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
    """
    began = time.monotonic() if began is None else began
    done: list[Done] = []

    def work(task: Task) -> Answer:
        display.begin(task.step, task.machine)
        answer = _plan(order, done) if task.step == "plan" else perform(task)
        note = "FAILED" if answer.failed else answer.note
        display.end(task.step, task.machine, answer.seconds, note)
        return answer

    while tasks := next_tasks(order, done):
        found = perform_all(tasks, work)
        done += [Done(task, answer) for task, answer in zip(tasks, found, strict=True)]
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
