"""espalier restore: bring a moment of the backups back."""

from __future__ import annotations

import json
import shlex
from functools import partial
from typing import Any

import click

from espalier import paths
from espalier.arriving.maintenance import closed
from espalier.cli.command import Environment, environment_command
from espalier.cli.remove import confirm
from espalier.cli.restore_single import restore_single
from espalier.cli.site import verbose_option
from espalier.inventory.remote import reach
from espalier.inventory.site import SiteError
from espalier.progress.report import REFUSED
from espalier.progress.watch import watch
from espalier.restoring import drills, uploads_plan
from espalier.restoring import plan as planned
from espalier.restoring.ask import NotThere, ask
from espalier.restoring.moment import FORMS, of_uploads, wanted
from espalier.restoring.pause import paused

PLAYBOOK = paths.PLAYBOOKS / "restore.yml"
PREPARE = paths.PLAYBOOKS / "prepare_restore.yml"


@environment_command()
@click.option("--to", default="", metavar="TIME", help=f"A moment, {FORMS}.")
@click.option("--transaction", type=int, metavar="ID", help="Just after this transaction.")
@click.option("--before", default="", metavar="STATEMENT", help="Just before it: 'DROP TABLE'.")
@click.option("--table", metavar="NAME", help="This table alone, beside the live one.")
@click.option("--upload", metavar="PATH", help="This upload alone, beside the live one.")
@click.option("--without-uploads", is_flag=True, help="The database alone; uploads stay.")
@click.option("--plan", "only_plan", is_flag=True, help="Say what would be done, and end.")
@click.option("--yes", default="", metavar="SITE", help="The site's name: do it without asking.")
@verbose_option
def command(
    environment: Environment,
    to: str,
    transaction: int | None,
    before: str,
    table: str | None,
    upload: str | None,
    without_uploads: bool,
    only_plan: bool,
    yes: str,
    verbose: int,
) -> int:
    """Bring a moment of the backups back.

    It says first what that would do. The site is closed for maintenance meanwhile; the database
    and the uploads that are there are set aside, and never deleted. On a new machine it brings
    back the whole site.

    With --table or --upload nothing that is there is changed, and nothing is asked: the one table
    (shop_order, or schema.table) or the one upload (photos/tree.jpg, below the uploads) comes back
    under a name of its own, beside the live one.
    """
    meant = wanted(to, transaction, before)
    site = environment.read()
    if yes not in ("", site.name):
        raise SiteError(
            f"--yes says {yes}, and the site is {site.name}. Nothing was changed.", REFUSED
        )
    if not site.machines("pgbackrest"):
        raise SiteError("hosts.yml has no `backup`: there is nothing to restore from.", REFUSED)
    if table is not None or upload is not None:
        return restore_single(environment, site, meant, table, upload, only_plan)
    machine = site.machines("postgresql_primary")[0]
    one = ("--to", to) if to else ("--before", before) if before else ("--transaction", transaction)
    again = shlex.join(
        ["restore", *map(str, one), *["--without-uploads"] * without_uploads],
    )
    with reach(site) as remote:
        try:
            plan = ask(remote, machine, "plan", meant)
        except NotThere:
            click.echo(f"{machine} is new: it is prepared first.")
            if status := _play(environment, PREPARE, {}, again, verbose):
                return status
            plan = ask(remote, machine, "plan", meant)
        uploads = "" if without_uploads else of_uploads(plan["target"])
        files = uploads_plan.plan(remote, site, uploads) if uploads else ()
        lines = planned.lines(site.name, machine, plan, drills.last(remote, site))
        click.echo("\n".join([*lines, *files]))
        if only_plan:
            return 0
        if not yes:
            confirm(site.name)
        variables = {"target": plan["target"], "uploads": uploads}
        # A machine that is new serves nobody yet; those that are left may.
        open_ones = site.machines("nginx")
        warn = partial(click.echo, err=True)
        with closed(remote, open_ones, click.echo, warn), paused(remote, site, warn):
            status = _play(environment, PLAYBOOK, variables, again, verbose)
        if status:
            return status
        restored = ask(remote, machine, "status", {})["restored"]
    if aside := restored.get("aside"):
        click.echo(
            f"The database that was there is kept on {machine} in {aside}. When you do not need it "
            f"any more, delete that directory."
        )
    return 0


def _play(
    environment: Environment, path: Any, restore: dict[str, Any], again: str, verbose: int
) -> int:
    """Run a playbook with the variable `restore`; gives its exit status."""
    extra = ["--extra-vars", json.dumps({"restore": restore})]
    with environment.playbook("restore", extra, path=path, again=again) as playbook:
        return watch(playbook, verbosity=verbose)
