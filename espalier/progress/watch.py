"""A run of a playbook in front of a person or of a program."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any, TextIO

from espalier.progress import logs, report
from espalier.progress.explain import explain_output
from espalier.progress.playbook import Playbook, run_playbook
from espalier.progress.run import Run, Stage
from espalier.progress.screen import DIM, Screen
from espalier.progress.site_answer import answers


class Watcher:
    """Keeps what happens, and shows it."""

    def __init__(self, stream: TextIO | None, *, only_running: bool = False) -> None:
        """Show on a stream, nowhere if it is None; `only_running`: not what has ended."""
        self.run, self.only_running = Run(), only_running
        self._headed = ""
        self.screen = Screen(stream, lambda: report.running_line(self.run, time.time()))

    def take(self, event: Mapping[str, Any]) -> None:
        """Take an event."""
        self.screen.watch()
        self._show(self.run.take(event))
        lines = event.get("lines", ())
        if not lines or self.only_running:
            return
        if self._headed != self.run.stage:  # its own line comes at its end
            self._headed = self.run.stage
            self.screen.line(f"  {self.run.stage}:", DIM)
        self.screen.lines([(f"    {line}", DIM) for line in lines])

    def close(self) -> None:
        """It has ended."""
        self._show(self.run.cut_off())
        self.screen.close()

    def _show(self, stages: Sequence[Stage]) -> None:
        for stage in () if self.only_running else stages:
            self.screen.line(*report.stage_line(stage))


def watch(playbook: Playbook, *, as_json: bool = False, verbosity: int = 0) -> int:
    """Run a playbook and show how it goes; gives the exit status.

    Args:
        playbook: which one, and where.
        as_json: print one JSON object at the end, and nothing else.
        verbosity: from 1 on Ansible's own output is shown instead.
    """
    shows_words = verbosity > 0 and not as_json
    with logs.create(playbook.environment, playbook.kind) as log:
        path = logs.shown(log.name)
        watcher = Watcher(None if as_json or shows_words else sys.stdout)
        try:
            returned, interrupted = run_playbook(
                playbook,
                [f"-{'v' * max(verbosity, 1)}"],
                log,
                watcher.take,
                words=sys.stdout if shows_words else None,
                colours=shows_words and sys.stdout.isatty(),
            )
        finally:
            watcher.close()
        run = watcher.run
        status = report.exit_status(run, returned, interrupted)
        _explain_end(run, status, log.name)
    if as_json:
        print(json.dumps(report.as_data(run, status, log.name)))
        return status
    serves = status and run.has_touched and run.host and answers(run.address, run.host)
    told = {"command": playbook.again, "log": path, "answers": run.url if serves else ""}
    if status == report.INTERRUPTED:
        lines = report.interrupted_lines(run, **told)
    else:
        lines = report.failure_lines(run.failures, **told) if status else report.summary(run)
    Screen(sys.stderr if status else sys.stdout).lines(lines)
    return status


def _explain_end(run: Run, status: int, log: str) -> None:
    """Add why Ansible ended where no task of it failed, as with an inventory that is refused."""
    if status not in (0, report.INTERRUPTED) and not run.failures:
        with open(log, errors="replace") as written:
            run.stop(explain_output(written.read()), status)
