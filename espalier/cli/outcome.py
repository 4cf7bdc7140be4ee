"""How release and rollback tell how it went."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from espalier.inventory.site import Site, SiteError
from espalier.progress import logs
from espalier.progress.screen import BAD, DIM, Screen
from espalier.rollout.process import run

if TYPE_CHECKING:
    from espalier.rollout.request import Request


def perform(runner: subprocess.Popen[str], site: Site, request: Request, *, as_json: bool) -> int:
    """Do what is asked for, and tell how it went; gives the exit status.

    Raises:
        SiteError: it ended before a machine was asked for anything.
    """
    command = "release" if request.rollback_to is None else "rollback"
    with logs.create(site.inventory.name, command) as log:
        path = log.name
    with _interruptible(runner):
        report = run(runner, site, request, quiet=as_json, log=path)
    if not report.result:
        raise SiteError(report.sentence, report.status, report.detail)
    if as_json:
        click.echo(json.dumps(report.result | {"log": path}))
        return report.status
    failed = report.result["error"] is not None
    screen = Screen(sys.stderr if failed else sys.stdout)
    sentence, *more = report.sentence.splitlines()
    screen.line(sentence, BAD if failed else "")
    screen.lines([(line, "") for line in more])
    if report.status == 1:
        screen.line(f"The whole log: {logs.shown(path)}", DIM)
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
