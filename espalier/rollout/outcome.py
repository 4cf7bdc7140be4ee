"""How a release went: as plain data, as a sentence for a person, and as an exit status."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from espalier.rollout.order import (
    Done,
    Order,
    Task,
    answers,
    attempted,
    before,
    failure,
    identity,
    releases,
    warnings,
)
from espalier_machine.common.excerpt import excerpt, indented

INTERRUPTED = 130  # exit status of what Ctrl-C ended


@dataclass(frozen=True)
class Outcome:
    """An order, all that was done for it, and how long that took (seconds).

    `interrupted`: somebody ended it (Ctrl-C); `running` are the tasks whose end is not known then.
    """

    order: Order
    done: tuple[Done, ...]
    seconds: float
    project: str = ""
    interrupted: bool = False
    running: tuple[Task, ...] = ()

    @property
    def failure(self) -> Done | None:
        """The task that stopped it, if one did."""
        return failure(self.done)

    @property
    def action(self) -> str:
        """What was done, in a word or two."""
        if self.interrupted:
            return "interrupted"
        if self.failure or not attempted(self.done, "switch"):
            return "unchanged"
        return "rolled back" if self.order.is_rollback else "released"

    @property
    def exit_status(self) -> int:
        """0 done, 1 failed or with a warning, 2 wrong use, 3 locked, 130 interrupted."""
        if self.interrupted:
            return INTERRUPTED
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
        return {
            "ok": self.error is None,
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
            "error": self.error,
        }

    @property
    def error(self) -> dict[str, Any] | None:
        """What stopped it, as plain data."""
        if self.interrupted:
            return {
                "machine": self.running[0].machine if self.running else self.order.first,
                "step": self.running[0].step if self.running else "",
                "sentence": self.sentence(),
                "detail": "",
                "status": INTERRUPTED,
            }
        if failed := self.failure:
            return {
                "machine": failed.task.machine,
                "step": failed.task.step,
                "sentence": failed.answer.error,
                "detail": failed.answer.detail,
                "status": failed.answer.status,
            }
        return None

    @property
    def plan(self) -> Mapping[str, Any]:
        """What the release would change, where only that was asked for."""
        return next(iter(answers(self.done, "compare").values()), {})

    def sentence(self) -> str:
        """How it went, for a person."""
        took = f"{self.seconds:.1f} s"
        if self.interrupted:
            failed = self.failure
            lines = [f"{failed.task.machine}: {failed.answer.error}"] if failed else []
            return "\n".join([*lines, self._interrupted_text()])
        if failed := self.failure:
            return self._failure_text(failed)
        release = releases(self.done)[self.order.first]
        if self.plan:
            return plan_text(self, release)
        if self.action == "unchanged":
            return f"{release} is live already; nothing to do ({took})."
        text = f"{release} is live on {', '.join(self.order.machines)} after {took}."
        return "\n".join([text, *(f"But {_words(one)}" for one in warnings(self.done))])

    @property
    def log(self) -> str:
        """All that tools printed in the steps that failed."""
        failed = [one for one in self.done if one.answer.failed]
        return "\n".join(
            f"{one.task.machine}: {one.task.step}: {one.answer.error}\n{one.answer.detail}"
            for one in failed
        )

    def _failure_text(self, failed: Done) -> str:
        lines = [f"{failed.task.machine}: {_words(failed)}"]
        live, served = self.live, before(self.done)
        # Where nothing was live, a machine takes a failed switch back itself.
        changed = [
            name
            for name, ids in live.items()
            if ids != (served[name],) and (served[name] or "" not in ids)
        ]
        lines += [
            f"{one.task.machine} did not go back: {_words(one)}"
            for one in warnings(self.done)
            if one.task.step == "rollback" and one.task.machine in changed
        ]
        if changed:
            lines.append(f"Live now: {self._live_text('; ')}.")
        elif attempted(self.done, "rollback"):
            lines.append("The machines that had switched went back: visitors are served as before.")
        elif failed.answer.status == 1 or (failed.answer.status == 3 and live):
            lines.append("Visitors are served as before.")
        return "\n".join(line for line in lines if line)

    def _interrupted_text(self) -> str:
        """What is live where, and what to type next."""
        live, served, ids = self.live, before(self.done), releases(self.done)
        if all(live[name] == (served[name],) for name in live):
            return (
                "Interrupted before any machine was switched, so visitors are served as before; "
                "the same command finishes it."
            )
        text = f"Interrupted; live now: {self._live_text(', ')}; "
        if not self.order.is_rollback:
            undo = ", and `espalier rollback` undoes it" if any(served.values()) else ""
            return f"{text}the same command finishes it{undo}."
        if all(live[name] == (ids[name],) for name in live):  # once more would go further back
            return f"{text}only what follows the switch was not done."
        return f"{text}the same command finishes it."

    @property
    def live(self) -> dict[str, tuple[str, ...]]:
        """What each machine serves now, "" for nothing; several ids where that is not known.

        Only of machines that told what they served at the beginning.
        """
        served, ids = before(self.done), releases(self.done)
        live: dict[str, tuple[str, ...]] = {
            name: (served[name],) for name in self.order.machines if name in served
        }
        ended = [(one.task, one.answer) for one in self.done]
        for task, answer in [*ended, *((task, None) for task in self.running)]:
            name = task.machine
            if name not in live or task.step not in ("switch", "rollback"):
                continue
            wanted = ids[name] if task.step == "switch" else served[name]
            if answer and not answer.failed:
                live[name] = (wanted,)
            elif not answer or answer.status != 3:  # 3: it was refused before it did anything
                live[name] = tuple(dict.fromkeys((*live[name], wanted)))
        return live

    def _live_text(self, separator: str) -> str:
        """What is live where, with machines that serve the same one together."""
        machines: dict[str, list[str]] = {}
        for name, ids in self.live.items():
            machines.setdefault(" or ".join(id or "nothing" for id in ids), []).append(name)
        return separator.join(f"{ids} on {', '.join(names)}" for ids, names in machines.items())


def _words(one: Done) -> str:
    """What a task that failed told: its sentence, and the lines that matter of a tool's output."""
    lines = indented(excerpt(one.answer.detail, one.answer.error))
    return "\n".join([one.answer.error, *lines])


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
