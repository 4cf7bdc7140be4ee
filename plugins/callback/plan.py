"""What a run would change on which machine, and what each change interrupts: `espalier plan`.

A run in check mode, told in the words of the tasks. What a change interrupts stands beside the task
or handler that causes it, and may be a template of everything that the task may use:

    - name: Restart redis
      vars:
        changes: what the name of the task does not say (optional)
        interrupts: "the cache: it is empty afterwards"

`interrupts` ends the sentence "this change interrupts …": with `nothing`, `nothing: reason`, or
`requests: how`. Without it, it is not known what a change interrupts; but for modules that only add
files, users and packages: who reads those is told by a handler. tests/unit/test_plan.py demands it
of every task that does more, and that none of `no_log` is one that check mode skips unseen.
"""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Sequence

from ansible import constants as C
from ansible import context
from ansible.errors import AnsibleError
from ansible.executor.stats import AggregateStats
from ansible.executor.task_result import CallbackTaskResult
from ansible.playbook.play import Play
from ansible.plugins.callback import CallbackBase
from ansible.template import Templar

try:
    from espalier.plan_report import (
        ADDING,
        UNKNOWN,
        Change,
        details,
        is_missing,
        total,
        would_run,
    )
    from espalier_machine.common.text import counted
except ModuleNotFoundError as missing:
    if missing.name not in ("espalier", "pydantic"):
        raise
    raise SystemExit(
        f"The Python package `{missing.name}` is not installed beside this Ansible. Activate the "
        "kit's virtual environment (`source .venv/bin/activate`), or install the kit beside it "
        "(`pip install -e .`)."
    ) from None

DOCUMENTATION = """
name: plan
type: stdout
short_description: What a run would change, and what that interrupts
description: Tells what a run in check mode would change on which machine, and what it interrupts.
"""


class CallbackModule(CallbackBase):
    """Collects what a run in check mode says, and shows it at its end."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "plan"

    def __init__(self) -> None:
        """Begin with nothing."""
        super().__init__()
        self.play: Play | None = None
        self.changes: dict[str, list[Change]] = {}
        self.missing: dict[str, list[str]] = {}
        self.refusals: list[str] = []

    def stated(self, result: CallbackTaskResult, name: str) -> str:
        """What the task itself says under a name, with its templates filled in."""
        if self.play is None or name not in result.task.get_vars():
            return ""
        manager = self.play.get_variable_manager()
        known = manager.get_vars(play=self.play, host=result.host, task=result.task)
        try:
            return str(Templar(manager._loader, known).template(known[name])).strip()
        except AnsibleError:
            return ""

    def add(self, result: CallbackTaskResult) -> None:
        """Add a change."""
        role, _, _ = result.task.get_name().rpartition(" : ")
        what = [text] if (text := self.stated(result, "changes")) else details(result)
        interrupts = self.stated(result, "interrupts")
        if not interrupts and result.task.action not in ADDING:
            interrupts = UNKNOWN
        if is_missing(result):
            unit = result.task_fields["args"]["name"]
            what, interrupts = [f"{unit} started"], "nothing: it is not there yet"
            self.missing.setdefault(result.host.name, []).append(unit)
        wanted = context.CLIARGS.get("diff") and result.task.action in ("files", "guarded_files")
        diff = self._get_diff(result.result.get("diff", [])) if wanted else ""
        change = Change(role, result.task_name, what, interrupts, diff)
        self.changes.setdefault(result.host.name, []).append(change)

    def v2_playbook_on_play_start(self, play: Play) -> None:
        """Remember the play, whose variables the statements of its tasks may use."""
        self.play = play

    def v2_runner_on_ok(self, result: CallbackTaskResult) -> None:
        """Take what would change."""
        if result.is_changed() or is_missing(result):
            self.add(result)

    def v2_runner_on_skipped(self, result: CallbackTaskResult) -> None:
        """Take what would run, were it not for check mode."""
        if would_run(result):
            self.add(result)

    def v2_runner_on_failed(self, result: CallbackTaskResult, ignore_errors: bool = False) -> None:
        """Take a refusal: a sentence of the play's, or an error with the task that it came from."""
        if ignore_errors:
            return
        found = result.result
        failed = [item for item in found.get("results", []) if item.get("failed")] or [found]
        for item in failed:
            message = item.get("msg") or found.get("censored") or "failed"
            name = result.task.get_name()
            self.refuse(f"{result.host.name}, at `{name}`: {message}" if " : " in name else message)

    def v2_runner_on_unreachable(self, result: CallbackTaskResult) -> None:
        """Take a machine that does not answer, unless a later task says it better."""
        if not result.task.ignore_unreachable:
            self.refuse(f"{result.host.name} cannot be reached: {result.result.get('msg')}")

    def refuse(self, sentence: str) -> None:
        """Add a refusal, once."""
        if sentence not in self.refusals:
            self.refusals.append(sentence)

    def v2_playbook_on_stats(self, stats: AggregateStats) -> None:
        """Show the plan."""
        for machine in sorted(self.changes):
            self.show_machine(machine, self.changes[machine])
        for sentence in self.refusals:
            self._display.display(sentence, color=C.COLOR_ERROR)
        if self.refusals:
            self._display.display("The plan ends here: mend this, and make it again.")
            return
        same = sorted(stats.processed.keys() - self.changes.keys())
        if self.changes and same:
            self._display.display(f"{', '.join(same)}: nothing would change\n\n")
        self._display.display(total(self.changes))

    def show_machine(self, machine: str, changes: Sequence[Change]) -> None:
        """Show what would change on one machine."""
        margin = max(len(change.role) for change in changes) + 4
        self.show(f"{machine}: ", counted(len(changes), "change"), 0, C.COLOR_HIGHLIGHT)
        for change in changes:
            what = f": {', '.join(change.what)}" if change.what else ""
            self.show(f"  {change.role}", f"{change.task}{what}", margin)
            is_known = not change.interrupts.startswith(UNKNOWN)
            statement = f"{'' if is_known else 'what it '}interrupts {'' if is_known else 'is '}"
            if change.interrupts:
                color = C.COLOR_OK if change.is_harmless else C.COLOR_WARN
                self.show("", f"{statement}{change.interrupts}", margin, color)
            if change.diff:
                self._display.display(textwrap.indent(change.diff.rstrip(), " " * margin))
        if missing := self.missing.get(machine):
            self.show("", f"Not there yet, so not looked into: {', '.join(missing)}.", 2)
        self._display.display("")

    def show(self, label: str, text: str, margin: int, color: str | None = None) -> None:
        """Show a text beside its label, wrapped to the terminal."""
        lines = textwrap.wrap(
            text,
            width=min(shutil.get_terminal_size((100, 24)).columns, 120) - margin,
            break_on_hyphens=False,
            break_long_words=False,
        )
        for number, line in enumerate(lines):
            begin = "" if number else label
            self._display.display(f"{begin:{margin}}{line}", color=color)
