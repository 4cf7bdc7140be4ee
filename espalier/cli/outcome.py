"""How release and rollback tell how it went."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from espalier.inventory.site import Site, SiteError
from espalier.rollout.process import run

if TYPE_CHECKING:
    from espalier.rollout.request import Request


def perform(runner: subprocess.Popen[str], site: Site, request: Request, *, as_json: bool) -> int:
    """Do what is asked for, and tell how it went; gives the exit status.

    Raises:
        SiteError: it ended before a machine was asked for anything.
    """
    with _interruptible(runner):
        report = run(runner, site, request, quiet=as_json)
    if not report.result:
        raise SiteError(report.sentence, report.status, report.detail)
    if as_json:
        click.echo(json.dumps(report.result))
    else:
        click.echo(report.sentence, err=report.result["error"] is not None)
    return report.status


@contextmanager
def _interruptible(runner: subprocess.Popen[str]) -> Iterator[None]:
    """Have Ctrl-C end the runner, which then tells how far it came; once more ends all at once."""
    before = signal.getsignal(signal.SIGINT)
    if before == signal.SIG_IGN:  # a job in the background
        yield
        return
    pressed: list[int] = []

    def interrupt(number: int, frame: object) -> None:
        if pressed:
            runner.kill()
            raise KeyboardInterrupt
        pressed.append(number)
        # Who pressed Ctrl-C has interrupted the runner too, which minds once; `kill` has not.
        runner.send_signal(number)

    signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
