"""The other half: uploads of the source as they were at the dump's moment, for the destination.

They are a stream that this computer passes on, and keeps nothing of.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterator
from contextlib import contextmanager

from espalier.arriving.job import Job, chunks, started
from espalier.arriving.uploads import Uploads
from espalier.cloning.refusals import Side
from espalier.inventory.remote import Remote, explain
from espalier.inventory.site import SiteError
from espalier.progress.report import REFUSED
from espalier.restoring.ask import NOT_THERE, REFUSES
from espalier.restoring.uploads import PROGRAM
from espalier.rollout.display import Display
from espalier_machine.common.forms import WRAPPERS
from espalier_machine.common.text import counted, shown_size

WITHOUT = "--no-uploads leaves uploads out."


def left_out(source: Side, destination: Side, *, wanted: bool | None, anonymise: bool) -> str:
    """Why uploads do not come, in words that go on after a colon; "" where they come.

    Args:
        source: the environment that data comes from.
        destination: the one where it goes.
        wanted: what a person has said of them; None for nothing.
        anonymise: whether the data is anonymised.

    Raises:
        SiteError: they were asked for, and are in an object store, or are to be.
    """
    if wanted is False:
        return "by --no-uploads"
    if anonymise and not wanted:
        return "nobody anonymises files (--uploads brings them as they are)"
    for side in (source, destination):
        if store := side.project.media_s3:
            reason = (
                f"{side.name} has them in the bucket {store['bucket']} (`media_s3`). Copy them "
                "with the store's own program, such as `aws s3 sync`"
            )
            if wanted:
                raise SiteError(f"--uploads: {reason}. Nothing was changed.", REFUSED)
            return reason
    return ""


@contextmanager
def offered(
    remote: Remote, name: str, moment: float, display: Display, notes: list[str]
) -> Iterator[Uploads]:
    """Have a machine read the uploads of a moment; they are a stream as long as this lasts.

    Args:
        remote: how the machine is reached.
        name: of the machine.
        moment: in Unix seconds.
        display: shows the step.
        notes: gets a sentence where uploads that had just come were not saved.

    Raises:
        SiteError: it failed there, with the program's own sentence.
    """
    to = datetime.datetime.fromtimestamp(moment, datetime.UTC).isoformat()
    words = [f"{WRAPPERS}/{PROGRAM}", "export", "--to", to]
    # It ends with us: a sign of life follows all the time. And photos cannot be packed any more.
    with started(remote, name, words, beats=True, options=()) as job:
        with display.step("uploads", name) as shown:
            line = job.out.readline()
            if not line:
                raise _failure(name, *job.ended())
            said = json.loads(line)
            shown.append(f"{counted(said['files'], 'file')}, {shown_size(said['bytes'])}")
        if why := said["unsaved"]:
            notes.append(f"{name}: uploads that had just come may not be there: {why}")
        yield Uploads(said["files"], said["bytes"], said["skipped"], lambda: _rest(job, name))


def _rest(job: Job, name: str) -> Iterator[bytes]:
    """Yield the stream of a command to its end, which has to be a good one."""
    yield from chunks(job.out)
    status, errors = job.ended()
    if status:
        raise SiteError(f"{name}: {explain(errors).rstrip('.')}", 1, errors)


def _failure(name: str, status: int, errors: str) -> SiteError:
    if status == NOT_THERE or REFUSES in errors:
        return SiteError(
            f"{name} has no {PROGRAM}, or one of an earlier version: run `espalier site` there "
            f"first. Nothing was changed. {WITHOUT}",
            REFUSED,
        )
    said = explain(errors).removesuffix("Nothing was changed.").strip()
    return SiteError(f"{name}: {said} Nothing was changed. {WITHOUT}", 1, errors)
