"""What a restore will do with the uploads, asked and refused before anything is touched."""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterator, Mapping
from typing import Any

from espalier import paths
from espalier.inventory.remote import Remote, explain
from espalier.inventory.site import Site, SiteError
from espalier.progress.report import REFUSED
from espalier.restoring import uploads
from espalier.restoring.ask import NOT_THERE
from espalier.restoring.moment import shown, span
from espalier_machine.common.text import counted, shown_size

ALONE = "`--without-uploads` brings back the database alone. Nothing was changed."


def plan(remote: Remote, site: Site, moment: str) -> Iterator[str]:
    """Say what will happen to the uploads, as lines for a person.

    Args:
        remote: how machines are reached.
        site: whose uploads.
        moment: a time of ISO 8601, or `latest`.

    Raises:
        SiteError: they cannot be brought back.
    """
    if store := site.project.get("media_s3"):
        yield from in_store(store["bucket"])
        return
    machine = uploads.machine(site)
    words = [uploads.PROGRAM, "restore", "--plan", "--json", "--to", moment]
    status, out, errors = remote.run(machine, words)
    if status == NOT_THERE:
        yield f"  uploads {machine} is new: what comes back is known when it is prepared"
        return
    try:
        answer = json.loads(out)
    except ValueError:
        raise SiteError(f"{machine}: {explain(errors)}", 1, errors) from None
    if not answer["ok"]:
        raise SiteError(
            f"The uploads on {machine} cannot be brought back: {answer['error']} {ALONE}", REFUSED
        )
    if not answer["enough"]:
        raise SiteError(
            f"The disk of the uploads on {machine} has {shown_size(answer['free'])} free, and "
            f"{shown_size(answer['fetched_bytes'])} come back beside what is there, which is kept. "
            f"Make room, or give it a larger disk. {ALONE}",
            REFUSED,
        )
    yield from lines(machine, answer)


def in_store(bucket: str) -> Iterator[str]:
    """What a person is told whose uploads are in an object store."""
    yield f"  uploads stay as they are in the bucket {bucket}: its versions have what was deleted"
    yield "          or overwritten since then, and you bring that back:"
    yield f"          {paths.DOCS / 'fire.md'}"


def lines(machine: str, plan: Mapping[str, Any]) -> Iterator[str]:
    """What will happen, as lines for a person.

    Args:
        machine: the one with the uploads.
        plan: the answer of `uploads-backup restore --plan`.
    """
    size = f"{shown_size(plan['fetched_bytes'])} of the {shown_size(plan['free'])} that are free"
    yield (
        f"  uploads {counted(plan['files'], 'file')} on {machine}: {plan['fetched']} to bring back "
        f"({size}), {plan.get('aside', 0)} on the disk to set aside"
    )
    before, after = (_moment(plan[where]) for where in ("before", "after"))
    copies = " and ".join(shown(one) for one in (before, after) if one)
    yield f"          by the copies of {copies}"
    if plan["files"] and (behind := plan.get("behind", 0)) > 0:
        yield (
            f"          the newest is {span(behind)} older than the moment: an upload that came "
            "after it is not in it"
        )
    if (ahead := plan.get("ahead", 0)) > 0:
        yield (
            f"          the oldest is {span(ahead)} younger than the moment: what was replaced or "
            "deleted before it is not in it"
        )
    if uncertain := plan["uncertain"]:
        yield (
            f"          written again between the two: {counted(uncertain, 'file')}, each to be as "
            "the first has it"
        )


def _moment(snapshot: Mapping[str, str] | None) -> float | None:
    if not snapshot:
        return None
    return datetime.datetime.fromisoformat(snapshot["time"]).timestamp()
