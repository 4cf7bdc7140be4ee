"""What a run would change and what each change interrupts: the words of `espalier plan`.

plugins/callback/plan.py collects the results of a run in check mode and shows them in these words.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from espalier_machine.common.text import counted

if TYPE_CHECKING:
    from ansible.executor.task_result import CallbackTaskResult

# They add what nothing reads yet.
ADDING = ("files", "ansible.builtin.copy", "ansible.builtin.user", "ansible.builtin.apt")
UNKNOWN = "not known"


@dataclass(frozen=True)
class Change:
    """What one task would do to one machine; `interrupts` is empty where it only adds something."""

    role: str
    task: str
    what: Sequence[str]
    interrupts: str
    diff: str = ""

    @property
    def is_harmless(self) -> bool:
        """Whether nothing is interrupted."""
        return not self.interrupts or self.interrupts.partition(":")[0] == "nothing"


def installed(args: Mapping[str, Any], output: str) -> list[str]:
    """The packages that apt would install: by name those asked for, by number those they need."""
    listed = re.search(r"NEW packages will be installed:\n((?: .*\n)+)", output)
    new = listed[1].split() if listed else []
    asked = [name for name in dict.fromkeys(args.get("name") or []) if name in new]
    others = len(new) - len(asked)
    return asked + ([f"and {others} that they need"] if others else [])


def details(result: CallbackTaskResult) -> list[str]:
    """What a task would change: paths, packages or a service, where its result says so.

    No other argument is looked at, as it may be a secret.
    """
    args, found = result.task_fields.get("args") or {}, result.result
    match result.task.action:
        case "files" | "guarded_files":
            return list(found.get("changed_paths", []))
        case "ansible.builtin.copy":
            return [str(args["dest"])]
        case "ansible.builtin.apt":
            return installed(args, found.get("stdout", ""))
        case "ansible.builtin.systemd_service" if "state" in args:
            items = [item for item in found.get("results", [found]) if item.get("changed")]
            return [f"{item.get('name', args['name'])} {args['state']}" for item in items]
    return []


def would_run(result: CallbackTaskResult) -> bool:
    """Whether a task was skipped only because check mode cannot run it, and would change things."""
    if result.task.changed_when == [False]:
        return False
    reasons = {"skip_reason", "skipped_reason", "censored"}
    items = result.result.get("results", [result.result])
    return any("msg" in item and not reasons & item.keys() for item in items)


def is_missing(result: CallbackTaskResult) -> bool:
    """Whether the service that a task would start is not even installed yet."""
    args = result.task_fields.get("args") or {}
    forgiven = result.result.get("failed_when_result") is False and "status" not in result.result
    return (
        result.task.action == "ansible.builtin.systemd_service"
        and forgiven
        and args.get("state") != "stopped"
    )


def total(changes: Mapping[str, Sequence[Change]]) -> str:
    """The last line: how many changes on how many machines, and whether they interrupt anything."""
    every = [change for found in changes.values() for change in found]
    if not every:
        return "Nothing would change."
    unknown = sum(change.interrupts.startswith(UNKNOWN) for change in every)
    harmful = sum(not change.is_harmless for change in every) - unknown
    outcome = [f"{harmful} of them may interrupt something"] if harmful else []
    outcome += [f"of {unknown} it is not known what is interrupted"] if unknown else []
    outcome = outcome or ["nothing is interrupted"]
    where = f"{counted(len(every), 'change')} on {counted(len(changes), 'machine')}"
    return "; ".join([where, *outcome]) + "."
