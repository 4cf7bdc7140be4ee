"""How release and rollback tell how it went."""

from __future__ import annotations

import json
import signal
import subprocess
from typing import TYPE_CHECKING

import click

from espalier.inventory.site import Site, SiteError
from espalier.rollout.outcome import INTERRUPTED
from espalier.rollout.process import Report, run

if TYPE_CHECKING:
    from espalier.rollout.request import Request


def perform(runner: subprocess.Popen[str], site: Site, request: Request, *, as_json: bool) -> int:
    """Do what is asked for, and tell how it went; gives the exit status.

    Raises:
        SiteError: it ended before a machine was asked for anything.
    """
    try:
        report = run(runner, site, request, quiet=as_json)
    except KeyboardInterrupt:
        report = _interrupt(runner)
    if not report.result:
        raise SiteError(report.sentence, report.status, report.detail)
    if as_json:
        click.echo(json.dumps(report.result))
    else:
        click.echo(report.sentence, err=report.result["error"] is not None)
    return report.status


def _interrupt(runner: subprocess.Popen[str]) -> Report:
    """Have the runner end too, and tell how far it came; Ctrl-C once more ends it at once."""
    assert runner.stdout
    try:
        runner.send_signal(signal.SIGINT)  # who pressed Ctrl-C has done so; `kill` has not
        out = runner.stdout.read()
        runner.wait()
        return Report(**json.loads(out))
    except KeyboardInterrupt:
        runner.kill()
        raise
    except ValueError:
        raise SiteError("Interrupted.", INTERRUPTED) from None
