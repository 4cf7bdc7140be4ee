"""How a release went: as plain data, as a sentence for a person, and as an exit status."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from espalier.rollout.order import (
    Done,
    Order,
    answers,
    attempted,
    before,
    failure,
    identity,
    releases,
    warnings,
)


@dataclass(frozen=True)
class Outcome:
    """An order, all that was done for it, and how long that took (seconds)."""

    order: Order
    done: tuple[Done, ...]
    seconds: float
    project: str = ""

    @property
    def failure(self) -> Done | None:
        """The task that stopped it, if one did."""
        return failure(self.done)

    @property
    def action(self) -> str:
        """What was done, in a word or two."""
        if self.failure or not attempted(self.done, "switch"):
            return "unchanged"
        return "rolled back" if self.order.is_rollback else "released"

    @property
    def exit_status(self) -> int:
        """0 done, 1 failed or with a warning, 2 wrong use, 3 locked."""
        if failed := self.failure:
            return failed.answer.status
        return 1 if warnings(self.done) else 0

    def result(self) -> dict[str, Any]:
        """How it went, as plain data; durations in seconds."""
        ids, served = releases(self.done), before(self.done)
        seconds: dict[str, dict[str, float]] = {}
        for one in self.done:
            if not one.answer.failed:
                seconds.setdefault(one.task.step, {})[one.task.machine] = one.answer.seconds
        failed = self.failure
        return {
            "ok": failed is None,
            "action": self.action,
            "project": self.project,
            "identity": identity(self.order, self.done),
            "machines": {
                name: {"release": ids.get(name, ""), "before": served.get(name, "")}
                for name in self.order.machines
            },
            "steps": seconds,
            "seconds": round(self.seconds, 2),
            "warning": "\n".join(_words(one) for one in warnings(self.done)),
            "plan": dict(self.plan),
            "error": failed
            and {
                "machine": failed.task.machine,
                "step": failed.task.step,
                "sentence": failed.answer.error,
                "detail": failed.answer.detail,
                "status": failed.answer.status,
            },
        }

    @property
    def plan(self) -> Mapping[str, Any]:
        """What the release would change, where only that was asked for."""
        return next(iter(answers(self.done, "compare").values()), {})

    def sentence(self) -> str:
        """How it went, for a person."""
        took = f"{self.seconds:.1f} s"
        if failed := self.failure:
            return self._failure_text(failed)
        release = releases(self.done)[self.order.first]
        if self.plan:
            return plan_text(self, release)
        if self.action == "unchanged":
            return f"{release} is live already; nothing to do ({took})."
        text = f"{release} is live on {', '.join(self.order.machines)} after {took}."
        return "\n".join([text, *(f"But {_words(one)}" for one in warnings(self.done))])

    def _failure_text(self, failed: Done) -> str:
        lines = [f"{failed.task.machine}: {failed.answer.error}", failed.answer.detail.strip()]
        stuck = [one for one in warnings(self.done) if one.task.step == "rollback"]
        if failed.answer.status == 1:
            switched = [name for name in attempted(self.done, "rollback")]
            if stuck:
                lines += [f"{one.task.machine} did not go back: {_words(one)}" for one in stuck]
            elif switched:
                lines.append("The machines that had switched went back.")
            else:
                lines.append("Visitors are served as before.")
        return "\n".join(line for line in lines if line)


def _words(one: Done) -> str:
    """What a task that failed told."""
    return f"{one.answer.error}\n{one.answer.detail}".strip()


def plan_text(outcome: Outcome, release: str) -> str:
    """What a release would change, for a person."""
    plan, order = outcome.plan, outcome.order
    live = before(outcome.done)[order.first]
    lines = [f"{release} is built on {order.first}; live is {live or 'nothing'}."]

    def add(title: str, rows: Sequence[str]) -> None:
        for number, row in enumerate(rows or ["none"]):
            lines.append(f"{title if not number else '':<13} {row}")

    add("commits", plan["commits"] or ["not known (only a project with `git` has them)"])
    changes = plan["requirements"].items()
    add("requirements", [f"{name} {old or '-'} -> {new or '-'}" for name, (old, new) in changes])
    rows = []
    for verdict in plan["migrations"]:
        rows.append(verdict["migration"])
        rows += ["  {lock} on {table}: {effect}".format_map(one) for one in verdict["locks"]]
        rows += [f"  UNSAFE: {one['message']}; {one['fix']}" for one in verdict["issues"]]
        rows += [f"  cannot be told: {verdict['unknown']}"] if verdict["unknown"] else []
    add("migrations", rows)
    processes = plan["processes"]
    add("processes", [f"{name} ends after its job, and starts again" for name in processes])
    steps = ", then ".join(" and ".join(batch) for batch in order.batches)
    add("requests", [f"none fails; traffic is switched to it on {steps}"])
    return "\n".join(lines)
