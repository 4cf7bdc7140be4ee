"""How release and rollback tell how it went."""

from __future__ import annotations

import json
import subprocess
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
    report = run(runner, site, request, quiet=as_json)
    if not report.result:
        raise SiteError(report.sentence, report.status, report.detail)
    if as_json:
        click.echo(json.dumps(report.result))
    else:
        click.echo(report.sentence, err=report.result["error"] is not None)
    return report.status
