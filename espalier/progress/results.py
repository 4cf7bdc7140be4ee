"""What the tasks of a run found, read from what Ansible's callback `json` wrote."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from espalier.progress.explain import explain_result

# What a task says by failing is for people where it is one of these actions.
REFUSING = ("ansible.builtin.assert", "ansible.builtin.fail", "project", "unreachable")


@dataclass(frozen=True)
class Result:
    """What one task found on one machine."""

    task: str
    machine: str
    values: Mapping[str, Any]
    end: float = 0.0  # seconds since 1970

    @property
    def is_refusal(self) -> bool:
        """Whether it refuses something, with a sentence."""
        return self.is_failed and self.values.get("action") in REFUSING and not self.is_error

    @property
    def is_failed(self) -> bool:
        """Whether the task failed, for whatever reason."""
        return bool(self.values.get("failed"))

    @property
    def is_error(self) -> bool:
        """Whether the task could not even begin, for want of what another one would have found."""
        return self.is_failed and self.sentence.startswith("Task failed: ")

    @property
    def sentence(self) -> str:
        """Its sentence, without what goes without saying here: nothing is changed by a check."""
        return str(self.values.get("msg", "")).removesuffix("Nothing was changed.").strip()


@dataclass(frozen=True)
class Results:
    """What the playbook found."""

    all: Sequence[Result] = field(default_factory=tuple)

    def of(self, task: str, machine: str = "") -> Result | None:
        """The result of a task on a machine, or on any; None if it was not run there."""
        found = [r for r in self.all if r.task == task and machine in ("", r.machine)]
        return next((r for r in found if not r.values.get("skipped")), None)

    def value(self, task: str, key: str, machine: str = "") -> Any:
        """A value that a task found; None if it failed, or was not run there."""
        found = self.of(task, machine)
        return None if found is None or found.values.get("failed") else found.values.get(key)

    @property
    def refusals(self) -> list[Result]:
        """What was refused, each sentence once."""
        found = {(one.machine, one.sentence): one for one in self.all if one.is_refusal}
        return list(found.values())

    @property
    def errors(self) -> list[Result]:
        """What failed, and refuses nothing: as a rule because of a refusal before."""
        return [one for one in self.all if one.is_failed and not one.is_refusal]

    @property
    def failures(self) -> list[str]:
        """A sentence for whatever was refused or failed, each once."""
        told = [
            f"{one.machine}: {one.task}: {explain_result(one.values)[0]}" for one in self.errors
        ]
        return list(dict.fromkeys([*(one.sentence for one in self.refusals), *told]))


def parse(output: str) -> Results:
    """Read what Ansible's callback `json` wrote; ValueError if it is none.

    Lines that tasks show to people stand before it, and those of a person's own callbacks after it.
    """
    begin = re.search(r"(?m)^\{$", output)
    found, _ = json.JSONDecoder().raw_decode(output, begin.start() if begin else 0)
    return Results(
        tuple(
            Result(task["task"]["name"], machine, values, _seconds(task["task"]["duration"]))
            for play in found["plays"]
            for task in play["tasks"]
            for machine, values in task["hosts"].items()
        )
    )


def _seconds(duration: Mapping[str, str]) -> float:
    """When a task ended."""
    return datetime.fromisoformat(duration.get("end", duration["start"])).timestamp()
