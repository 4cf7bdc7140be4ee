"""espalier restore --table, --upload: one thing of a moment, beside the live one."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import closing
from typing import Any

import click

from espalier.cli.command import Environment
from espalier.inventory.remote import Remote, reach
from espalier.inventory.site import Site, SiteError
from espalier.progress import logs
from espalier.progress.report import REFUSED
from espalier.restoring import single, uploads
from espalier.restoring.ask import ask, ask_long
from espalier.restoring.moment import of_uploads
from espalier.rollout.display import Display
from espalier_machine.common.text import counted


def restore_single(
    environment: Environment,
    site: Site,
    meant: Mapping[str, Any],
    table: str | None,
    upload: str | None,
    only_plan: bool,
) -> int:
    """Bring one table or one upload back; gives the exit status.

    Args:
        environment: of the site.
        site: the site.
        meant: the moment, as `espalier.restoring.moment.wanted` gives it.
        table: as a person writes its name; None for none.
        upload: its path below the uploads; None for none.
        only_plan: say what would be done, and end.

    Raises:
        SiteError: both are named, or an empty name; or it failed, and nothing was changed.
    """
    if table is not None and upload is not None:
        raise SiteError("--table and --upload are two restores: name one of them.", REFUSED)
    if not (table or upload):
        option = "--upload" if table is None else "--table"
        raise SiteError(f"{option} names nothing. Nothing was changed.", REFUSED)
    with reach(site) as remote:
        if table:
            return _table(environment, remote, meant, table, only_plan)
        return _upload(remote, meant, str(upload), only_plan)


def _table(
    environment: Environment, remote: Remote, meant: Mapping[str, Any], name: str, only_plan: bool
) -> int:
    machine = remote.site.machines("postgresql_primary")[0]
    plan = ask(remote, machine, "plan-table", {**meant, "table": name})
    click.echo("\n".join(single.table_plan(name, machine, plan)))
    if only_plan:
        return 0
    said = {"table": name, "target": plan["target"]}
    with (
        logs.create(environment.name, "restore") as log,
        closing(Display(sys.stdout, log)) as display,
        display.step("table", machine) as shown,
    ):
        answer = ask_long(remote, machine, "restore-table", said)
        shown.append(counted(answer["rows"], "row"))
    click.echo("\n".join(single.table_told(answer, machine, environment.again("psql"))))
    return 0


def _upload(remote: Remote, meant: Mapping[str, Any], path: str, only_plan: bool) -> int:
    machine = uploads.machine(remote.site)
    if "to" in meant:
        target = {"kind": "time", "time": meant["to"]}
    elif "latest" in meant:
        target = {"kind": "default"}
    else:  # a transaction, whose time the database's machine knows
        primary = remote.site.machines("postgresql_primary")[0]
        target = ask(remote, primary, "find", meant)["target"]
    click.echo(single.upload_plan(path, machine, target))
    if only_plan:
        return 0
    answer = single.bring_upload(remote, machine, path, of_uploads(target))
    click.echo("\n".join(single.upload_told(answer, machine)))
    return 0
