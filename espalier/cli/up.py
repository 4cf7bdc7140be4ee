"""espalier up: a local machine with a project on it."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from espalier import paths
from espalier.cli.command import Command, Environment
from espalier.cli.site import replacing, verbose_option
from espalier.inventory.environments import environments, select
from espalier.inventory.site import SiteError
from espalier.lab import commands, memory, site
from espalier.lab.inventory import read_lab
from espalier.progress.watch import watch
from espalier.project.cache import CACHE
from espalier.project.classify import classify
from espalier.project.detection.detect import detect
from espalier.project.project_file import for_the_lab
from espalier.project.schema import check
from espalier.project.source.fetch import fetch
from espalier.scaffold.look import must_be_near


@click.command(cls=Command)
@click.argument("project", default="")
@click.option(
    "-e", "--env", "environment", default="", metavar="NAME", help="Whose project.yml to take."
)
@click.option(
    "--memory",
    "memory_mb",
    type=click.IntRange(min=512),
    metavar="MIB",
    help="The machine's memory; what it has by default, 1024 at first.",
)
@verbose_option
def command(project: str, environment: str, memory_mb: int | None, verbose: int) -> int:
    """Make a local machine with a project on it.

    It is deployed in the same way as on a VPS. PROJECT is a directory, a git URL or a package
    on the Python index; this directory's by default, with what project.yml of its environment
    says of it. Until the next `up`, `-e lab` means this project for every command. Needs Debian
    or Ubuntu, and root by sudo.
    """
    began = time.monotonic()
    wanted = _project(project, environment)
    if wanted is not None:
        _check(wanted)
    _install_prerequisites()
    inventory = site.prepare(wanted, memory_mb)
    commands.up(lab := read_lab(inventory))
    kills = memory.kills(lab)
    # Whatever site the machine carries: it is made to be thrown away.
    with Environment(inventory).playbook("up", replacing("*")) as playbook:
        status = watch(playbook, verbosity=verbose)
    if memory.kills(lab) > kills:
        click.echo(memory.advice(lab, "espalier up"), err=True)
    if status == 0:
        click.echo(
            f"Ready after {time.monotonic() - began:.0f} s. The certificate is self-signed: the "
            "browser will ask once."
        )
    return status


def _project(given: str, environment: str) -> Mapping[str, Any] | None:
    """The project to deploy; None for the kit's example."""
    if given:
        return classify(given)["project"]
    here = Path.cwd()
    if environment or environments(here):
        inventory = select(environment, here)
        found, left_out = for_the_lab(inventory)
        click.echo(f"up: the project is that of {inventory}", err=True)
        if left_out:
            click.echo(f"up: left out, as only that environment has it: {left_out}", err=True)
        return found
    if paths.IS_CLONE and here == paths.KIT:
        return None
    must_be_near(here, "`espalier up PROJECT`, with its directory, git URL or package")
    return {"directory": str(here)}


def _check(project: Mapping[str, Any]) -> None:
    """Refuse what is no Django project, before a machine is made for it."""
    where = next(str(project[key]) for key in ("directory", "git", "package") if key in project)
    checked = check(dict(project), where)
    source = fetch(checked, Path.cwd(), CACHE.expanduser(), where=where)
    detect(checked, source, where)


def _install_prerequisites() -> None:
    if subprocess.run(commands.install_command()).returncode:
        raise SiteError("what a lab needs is not installed; the lines above say what.", 1)
