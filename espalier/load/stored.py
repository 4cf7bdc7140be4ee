"""What the site has stored, read back and compared with what was acknowledged."""

from __future__ import annotations

import asyncio
import re
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import aiohttp

from espalier.load.ledger import compare, entries
from espalier.load.sessions import open_sessions
from espalier.load.site import LoadError, Site

CATCH_UP = 15  # seconds in which a replica must show what was acknowledged
TREE = re.compile(r"/trees/(\d+)/")
NOTE_KEY = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$")
READ_ONLY = (
    "writing needs the example project (examples/orchard), as others have no rows that can be "
    "counted. Use --read-only."
)


async def survey(site: Site) -> tuple[list[int], int]:
    """Give the trees that visitors may write about, and the id of the newest note."""
    kept, fresh = open_sessions(site)
    async with kept, fresh:
        try:
            async with kept.get("/") as response:
                trees = sorted({int(number) for number in TREE.findall(await response.text())})
            notes = await _notes(kept, 0)
        except (aiohttp.ClientError, ValueError) as error:
            raise LoadError(f"{site.base}/notes.json: {error!r}: {READ_ONLY}") from error
    if not trees:
        raise LoadError(f"{site.base}/ shows no tree: {READ_ONLY}")
    return trees, max((note["id"] for note in notes), default=0)


async def _notes(session: aiohttp.ClientSession, after: int) -> list[dict[str, Any]]:
    """Give every note with a higher id than ``after``."""
    notes: list[dict[str, Any]] = []
    page: int | None = after
    while page is not None:
        url = f"/notes.json?after={page}"
        async with session.get(url, raise_for_status=True) as response:
            answer = await response.json()
        notes += answer["notes"]
        page = answer["next"]
    return notes


async def _stored(site: Site, after: int) -> list[str]:
    """Give the key that each stored note's text ends with, once per note."""
    kept, fresh = open_sessions(site)
    async with kept, fresh:
        notes = await _notes(kept, after)
    return [found[0] for note in notes if (found := NOTE_KEY.search(note["text"]))]


def check_rows(site: Site, ledger: Path, after: int = 0, since: int = 0) -> dict[str, int]:
    """Compare a ledger, from its entry ``since`` on, with what the site has stored by now.

    This reader has written nothing, so a replica may answer it: what is missing is asked for again
    until a replica must have caught up. Raises LoadError when the site does not say.
    """
    noted = entries(ledger)[since:]
    promised = {entry["acknowledged"] for entry in noted if "acknowledged" in entry}
    deadline = time.monotonic() + CATCH_UP
    while True:
        try:
            stored = asyncio.run(_stored(site, after))
        except (aiohttp.ClientError, TimeoutError) as error:
            if time.monotonic() > deadline:
                raise LoadError(f"{site.base}/notes.json cannot be read: {error!r}") from error
        else:
            if promised <= set(stored) or time.monotonic() > deadline:
                return asdict(compare(noted, stored))
        time.sleep(0.5)
