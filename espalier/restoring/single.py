"""One table or one upload of a moment, beside the live one: what is said before and after."""

from __future__ import annotations

import datetime
import json
import shlex
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from espalier.inventory.remote import Remote, explain
from espalier.inventory.site import SiteError
from espalier.restoring.ask import NOT_THERE
from espalier.restoring.moment import shown
from espalier.restoring.uploads import PROGRAM
from espalier_machine.common.text import counted

NOT_COPIED = "defaults, checks, foreign keys, triggers, privileges, and indexes but the primary key"


def table_plan(name: str, machine: str, plan: Mapping[str, Any]) -> Iterator[str]:
    """What will happen to a table, as lines for a person.

    Args:
        name: as the person wrote it.
        machine: the one with the primary.
        plan: the answer of `database-backup plan-table`.
    """
    target = plan["target"]
    yield f"{name} would come back as {plan['new']} on {machine}, beside the live one."
    is_time = target["kind"] == "time"
    yield f"  moment  {shown(target['time']) if is_time else target['what']}"
    begun = f"{shown(plan['backup_ended'])} ({target['backup']})"
    yield f"  from    the backup of {begun}, and the WAL since then"
    yield "  kept    all that is there: nothing of it is changed"


def table_told(answer: Mapping[str, Any], machine: str, psql: str) -> Iterator[str]:
    """What has come, and what can be done with it, as lines for a person.

    Args:
        answer: of `database-backup restore-table`.
        machine: the one with the primary.
        psql: the command that opens the site's database, as it is to be typed.
    """
    table, new = answer["table"], answer["new"]
    typed = {name: f"{psql} -c {shlex.quote(answer[name])}" for name in ("look", "insert", "drop")}
    yield f"{new} on {machine} has what {table} had then: {counted(answer['rows'], 'row')}."
    yield f"Not copied: {NOT_COPIED}."
    yield "Look at it:"
    yield f"  {typed['look']}"
    if answer["is_live"]:
        yield f"Bring rows back that {table} has no more; those that are there stay:"
    else:
        yield f"{table} is gone. Make it anew, as by a migration; then bring its rows back:"
    yield f"  {typed['insert']}"
    if without := answer["without"]:
        yield f"  (without {', '.join(without)}: the live table has no such column)"
    yield "Remove it when you are done; until then, a clone takes it along, with all that is in it:"
    yield f"  {typed['drop']}"


def upload_plan(path: str, machine: str, target: Mapping[str, Any]) -> str:
    """What will happen to an upload, as a line for a person.

    Args:
        path: as the person wrote it.
        machine: the one with the uploads.
        target: the moment; `kind`, and `time` where it is one.
    """
    when = f"as it was at {shown(target['time'])}" if "time" in target else "its newest version"
    return f"{path}, {when}, would come back on {machine}, beside the live one."


def bring_upload(remote: Remote, machine: str, path: str, moment: str) -> dict[str, Any]:
    """Have a machine put an upload beside the live one; gives its answer.

    Args:
        remote: how it is reached.
        machine: the one with the uploads.
        path: of the upload, below their directory or whole.
        moment: as `uploads-backup` takes it.

    Raises:
        SiteError: no backup of that moment has it, or an object store has the uploads.
    """
    words = [PROGRAM, "restore-file", "--json", "--to", moment, "--", path]
    status, out, errors = remote.run(machine, words)
    if status == NOT_THERE:
        raise SiteError(f"{machine} has no program {PROGRAM} yet: `espalier site` brings it.")
    try:
        answer: dict[str, Any] = json.loads(out)
    except ValueError:
        raise SiteError(f"{machine}: {explain(errors)}", 1, errors) from None
    if not answer["ok"]:
        raise SiteError(f"{machine}: {answer['error']}")
    return answer


def upload_told(answer: Mapping[str, Any], machine: str) -> Iterator[str]:
    """What has come, and how it takes its place, as lines for a person.

    Args:
        answer: of `uploads-backup restore-file`.
        machine: the one with the uploads.
    """
    path = PurePosixPath(answer["path"])
    written = shown(datetime.datetime.fromisoformat(answer["written"]).timestamp())
    if answer["unchanged"]:
        yield f"{path} on {machine} is what it was then, written {written}: nothing was done."
        return
    file = PurePosixPath(answer["restored"])
    live = file.with_name(path.name)
    yield f"{file} on {machine} is {path} as it was then."
    yield f"  size    {counted(answer['bytes'], 'byte')}, written {written}"
    yield f"  name    {path.with_name(file.name)}, by which visitors reach it too"
    yield f"In place of the live one, on {machine} as root:"
    yield f"  {shlex.join(['mv', str(file), str(live)])}"
    yield "Or remove it when you have seen it:"
    yield f"  {shlex.join(['rm', str(file)])}"
