"""Tells another process what happens in a run: how `espalier site` shows it.

Nothing is shown here, so it goes beside any callback plugin that does. It is enabled by the command
alone, which names the file that events are written to in ESPALIER_EVENTS.
"""

from __future__ import annotations

from typing import Any

from ansible import context
from ansible.executor.stats import AggregateStats
from ansible.executor.task_result import CallbackTaskResult
from ansible.playbook.play import Play
from ansible.playbook.task import Task
from ansible.plugins.callback import CallbackBase

try:
    from espalier.progress.events import send
    from espalier.progress.explain import explain_result, explain_unreachable, is_whole
    from espalier.progress.stages import stage_of
except ModuleNotFoundError as missing:
    if missing.name not in ("espalier", "pydantic"):
        raise
    raise SystemExit(
        f"The Python package `{missing.name}` is not installed beside this Ansible. Activate the "
        "kit's virtual environment (`source .venv/bin/activate`), or install the kit beside it "
        "(`pip install -e .`)."
    ) from None

DOCUMENTATION = """
name: progress
type: aggregate
short_description: Tells another process what happens in a run
description: Writes each task, result and failure as a line of JSON to the file of ESPALIER_EVENTS.
"""


class CallbackModule(CallbackBase):
    """Sends what happens."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "progress"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self) -> None:
        """Begin without a play."""
        super().__init__()
        self.play: Play | None = None

    def v2_playbook_on_play_start(self, play: Play) -> None:
        """Remember the play, whose tags name the stage."""
        self.play = play

    def v2_playbook_on_task_start(self, task: Task, is_conditional: bool) -> None:
        """A task begins."""
        send("task", stage=self.stage(task), task=task.name or task.action)

    def v2_playbook_on_handler_task_start(self, task: Task) -> None:
        """A handler begins."""
        self.v2_playbook_on_task_start(task, False)

    def v2_runner_on_ok(self, result: CallbackTaskResult) -> None:
        """A task went well."""
        if self.stage(result.task):
            send("result", machine=result.host.name, changed=result.is_changed())
        found = result.result
        if build := found.get("project_build"):
            send("notes", lines=list(build["notes"]))
            known = self.known(result)
            address = self.address(known["topology"])
            send(
                "site",
                domains=build["project"]["domains"],
                address=address,
                is_told=bool(known.get("alerts")),
                is_copied=bool(known.get("backup")),
            )
        if said := found.get("python_note"):
            send("notes", lines=[said])
        if result.task.action == "ansible.builtin.debug" and isinstance(found.get("msg"), str):
            send("notes", lines=[found["msg"]])  # for people alone
        if "live" in found and result.task.action == "site_release":
            send("live", machines=found["live"])

    def v2_runner_on_failed(self, result: CallbackTaskResult, ignore_errors: bool = False) -> None:
        """A task failed."""
        if ignore_errors:
            self.v2_runner_on_ok(result)
            return
        sentence, detail = explain_result(result.result)
        self.fail(result, sentence, detail)

    def v2_runner_on_unreachable(self, result: CallbackTaskResult) -> None:
        """A machine does not answer."""
        if not result.task.ignore_unreachable:
            self.fail(result, explain_unreachable(result.result), [])

    def v2_on_file_diff(self, result: CallbackTaskResult) -> None:
        """Files have changed inside; the kit's own module keeps secrets out, others may not."""
        if result.task.action == "files" and context.CLIARGS.get("diff"):
            lines = self._get_diff(result.result.get("diff", [])).splitlines()
            send("notes", lines=[line for line in lines if line])

    def v2_playbook_on_stats(self, stats: AggregateStats) -> None:
        """The run has ended."""
        lost = stats.failures.keys() | stats.dark.keys()
        send("end", rescued=sorted(stats.processed.keys() - lost))

    def fail(self, result: CallbackTaskResult, sentence: str, detail: list[str]) -> None:
        """Send a failure."""
        stage = self.stage(result.task)
        send(
            "failure",
            machine=result.host.name,
            stage=stage,
            task=result.task.name or result.task.action,
            sentence=sentence,
            detail=detail,
            status=result.result.get("exit_status", 1),
            is_whole=is_whole(result.task.action, stage, result.result),
        )

    def stage(self, task: Task) -> str:
        """The stage of a task."""
        tags = self.play.tags if self.play else []
        return stage_of(tags, task.action, task.args, bool(task._role))

    def known(self, result: CallbackTaskResult) -> dict[str, Any]:
        """The variables of a machine, as the inventory has them."""
        assert self.play
        known: dict[str, Any] = self.play.get_variable_manager().get_vars(host=result.host)
        return known

    def address(self, topology: dict[str, Any]) -> str:
        """The address of the machine that takes traffic."""
        return str(topology["machines"][topology["services"]["nginx"][0]]["public_address"])
