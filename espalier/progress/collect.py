"""Runs that change nothing, and whose output a program reads: a plan, and what was found."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from tempfile import TemporaryFile

from espalier.inventory.site import SiteError
from espalier.progress import report
from espalier.progress.explain import explain_output
from espalier.progress.playbook import Playbook, run_playbook
from espalier.progress.results import Results, parse
from espalier.progress.run import Run
from espalier.progress.watch import Watcher


@dataclass(frozen=True)
class Output:
    """What Ansible wrote to its output and its standard error, and how it ended."""

    run: Run
    status: int
    text: str
    errors: str


def plan(playbook: Playbook, *, verbosity: int) -> int:
    """Say what a run would change; gives the exit status.

    The plugin plugins/callback/plan.py collects and writes it. With a `verbosity`, Ansible's own
    output is shown instead.
    """
    if verbosity:
        run = Run()
        words = ["--check", f"-{'v' * verbosity}"]
        with open(os.devnull, "w") as nowhere:
            ended = run_playbook(playbook, words, nowhere, run.take, words=sys.stdout)
        return report.exit_status(run, *ended)
    settings = {"ANSIBLE_STDOUT_CALLBACK": "plan"}
    colours = sys.stdout.isatty()
    if colours:
        settings["COLUMNS"] = str(shutil.get_terminal_size().columns)
    done = _read(playbook, ["--check"], settings, colours=colours)
    sys.stdout.write(done.text)
    if done.status == report.INTERRUPTED:
        print("Interrupted; a plan changes nothing.", file=sys.stderr)
    elif done.status and not done.run.failures:  # what the plugin did not see
        print(explain_output(done.errors), file=sys.stderr)
    return done.status


def collect(
    playbook: Playbook,
    *,
    show: bool = True,
    may_ask: bool = True,
    settings: Mapping[str, str] | None = None,
) -> Results:
    """Run a playbook that changes nothing; gives what its tasks found.

    Args:
        playbook: which one, and where.
        show: tell on a terminal what runs.
        may_ask: ssh may ask at this terminal, as for the passphrase of a key.
        settings: for Ansible's environment.

    Raises:
        SiteError: it could not begin, or was interrupted.
    """
    settings = {"ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json", **(settings or {})}
    done = _read(playbook, [], settings, show=show, may_ask=may_ask)
    if done.status == report.INTERRUPTED:
        raise SiteError("Interrupted before anything was changed.", report.INTERRUPTED)
    try:
        return parse(done.text)
    except ValueError:
        raise SiteError(explain_output(done.errors or done.text), report.REFUSED) from None


def _read(
    playbook: Playbook,
    arguments: Sequence[str],
    settings: Mapping[str, str],
    *,
    show: bool = True,
    may_ask: bool = True,
    colours: bool = False,
) -> Output:
    """Run a playbook, showing no more than what runs; gives its whole output."""
    watcher = Watcher(sys.stderr if show else None, only_running=True)
    with TemporaryFile("w+") as output, TemporaryFile("w+") as errors:
        try:
            ended = run_playbook(
                playbook,
                arguments,
                output,
                watcher.take,
                errors=errors,
                colours=colours,
                settings=settings,
                may_ask=may_ask,
            )
        finally:
            watcher.close()
        for file in (output, errors):
            file.seek(0)
        status = report.exit_status(watcher.run, *ended)
        return Output(watcher.run, status, output.read(), errors.read())
