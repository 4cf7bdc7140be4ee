"""Visitors to a site, in a thread of their own: they read, and write where they are told to.

Visitors keep one connection open, and cookies, as browsers do. Writing needs the example project
(examples/orchard): a visitor opens a tree's form, sends a note with a key of its own, and then
checks that the tree's page shows it. Each key goes into a ledger before it is sent and after it
was acknowledged; at the end the ledger is compared with what the site has stored.

What is sent twice, and what never is: a server may close a kept connection just as a request
arrives on it. A browser then repeats the request; here aiohttp repeats a GET, once, and it is
counted as `repeated`. The same on a *new* connection is a failure. A POST is never repeated: each
goes over a new connection, which no server closes for being idle, so whatever goes wrong with one
is a failure.
"""

from __future__ import annotations

import asyncio
import json
import random
import threading
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

import aiohttp

from espalier.load.ledger import Ledger, compare, entries
from espalier.load.report import Answer, is_clean, sentence, summary
from espalier.load.sessions import TIMEOUT, open_sessions
from espalier.load.site import LoadError, Site
from espalier.load.stored import check_rows, survey

MAX_SECONDS = 3600
MAX_REQUESTS = 500_000
WRITES = 0.15  # share of a visitor's turns


class Mark(NamedTuple):
    """A moment of a load: on the clock, in its answers and in its ledger."""

    moment: float
    answers: int
    entries: int


@dataclass
class Load:
    """Visitors who ask a site for pages until told to stop, in a thread of their own.

    With a ledger they also write notes, which needs the example project.
    """

    site: Site
    visitors: int = 3
    ledger_path: Path | None = None
    seconds: float = 300
    requests: int = 50_000
    pause: float = 0.01  # seconds between two requests of a visitor
    paths: Sequence[str] = ()  # pages to read, in turn; default: some of all kinds
    writes: float = WRITES  # share of a visitor's turns, where there is a ledger
    answers: list[Answer] = field(default_factory=list, init=False)

    def __enter__(self) -> Load:
        """Start; LoadError where the bounds are too wide or the project cannot be written to."""
        if not (0 < self.seconds <= MAX_SECONDS and 0 < self.requests <= MAX_REQUESTS):
            raise LoadError(
                f"A load is bounded: at most {MAX_SECONDS} seconds and {MAX_REQUESTS} requests."
            )
        self.ledger = Ledger(self.ledger_path) if self.ledger_path else None
        self.trees: list[int] = []
        self._newest = 0  # id of the newest note that was there before
        if self.ledger:
            self.trees, self._newest = asyncio.run(survey(self.site))
        self._stopped = threading.Event()
        self.sent = 0  # requests, those too that are not answered yet
        self.began = time.monotonic()
        self._thread = threading.Thread(target=asyncio.run, args=(self._run(),), daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop, and wait for the last answers."""
        self._stopped.set()
        self._thread.join(timeout=2 * TIMEOUT)
        self.ended = time.monotonic()
        if self.ledger:
            self.ledger.close()

    def wait(self, stop: threading.Event) -> None:
        """Wait until the load has reached a bound, or until ``stop`` is set."""
        while self._thread.is_alive() and not stop.wait(0.2):
            pass

    def mark(self) -> Mark:
        """Give this moment, for a report on what came after it."""
        written = len(entries(self.ledger_path)) if self.ledger_path else 0
        return Mark(time.monotonic(), len(self.answers), written)

    def report(self, since: Mark | None = None) -> dict[str, Any]:
        """Put into numbers what was sent since a mark, or all; also while the load goes on."""
        now = time.monotonic() if self._thread.is_alive() else self.ended
        since = since or Mark(self.began, 0, 0)
        report = summary(self.answers[since.answers :], self.began, now - since.moment)
        if self.ledger_path:
            try:
                rows = check_rows(self.site, self.ledger_path, self._newest, since.entries)
            except LoadError as error:
                # What cannot be read back is lost, for all that visitors know.
                rows = asdict(compare(entries(self.ledger_path)[since.entries :], []))
                gone = {"after": round(now - self.began, 1), "kind": "rows", "what": str(error)}
                report["failures"].append(gone)
            report["rows"] = rows
        return report

    def verify(self) -> None:
        """Raise AssertionError unless requests were sent and nothing went wrong with them."""
        report = self.report()
        assert report["sent"], "no request was sent, so nothing was shown"
        assert is_clean(report), f"{sentence(report)}: {report['failures'][:5]}"

    async def _run(self) -> None:
        await asyncio.gather(*(self._visit(number) for number in range(self.visitors)))

    def _goes_on(self) -> bool:
        in_time = time.monotonic() < self.began + self.seconds
        return in_time and self.sent < self.requests and not self._stopped.is_set()

    async def _visit(self, number: int) -> None:
        """Be one visitor: read here and there, now and then write and check that it is shown."""
        dice = random.Random(number)
        kept, fresh = open_sessions(self.site)
        async with kept, fresh:
            while self._goes_on():
                if self.ledger and dice.random() < self.writes:
                    # Where there are enough trees, nobody else's notes push ours off the page.
                    await self._write(kept, fresh, self.trees[number % len(self.trees)])
                else:
                    await self._ask(kept, "read", self._somewhere(dice))
                await asyncio.sleep(self.pause)

    def _somewhere(self, dice: random.Random) -> str:
        if self.paths:
            return self.paths[self.sent % len(self.paths)]
        if not self.trees:
            return "/"
        tree = dice.choice(self.trees)
        pages = ("/", f"/trees/{tree}/", "/guide/", "/harvest/", "/almanac/", "/where/")
        return dice.choices(pages, weights=(4, 8, 2, 1, 1, 2))[0]

    async def _write(
        self, kept: aiohttp.ClientSession, fresh: aiohttp.ClientSession, tree: int
    ) -> None:
        """Open the form, send a note, and check that the tree's page shows it."""
        assert self.ledger
        form = f"/trees/{tree}/note/"
        if await self._ask(kept, "read", form) is None:
            return
        key = str(uuid.uuid4())
        tokens = [cookie.value for cookie in kept.cookie_jar if cookie.key == "csrftoken"]
        note = {"key": key, "text": f"Seen on the wire: {key}", "author": "A visitor"}
        headers = {"Referer": self.site.base + form, "X-CSRFToken": tokens[0] if tokens else ""}
        self.ledger.send(key)
        answer = await self._ask(fresh, "write", form, "POST", headers, note)
        if answer is None:
            return
        self.ledger.acknowledge(key, again=answer[0] == 200)
        await self._ask(kept, "own", f"/trees/{tree}/", must_show=key)

    async def _ask(
        self,
        session: aiohttp.ClientSession,
        kind: str,
        path: str,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        data: Mapping[str, str] | None = None,
        must_show: str = "",
    ) -> tuple[int, str] | None:
        """Send one request and note how it went; gives status and body, or None if it failed."""
        self.sent += 1
        connections: list[str] = []
        wants = "text/html" if kind == "own" else "application/json, text/html;q=0.5"
        status, body, failure, machine = 0, "", "", ""
        began = time.monotonic()
        try:
            async with session.request(
                method,
                path,
                headers={"Accept": wants, **(headers or {})},
                data=data,
                allow_redirects=False,
                trace_request_ctx=connections,
            ) as response:
                status, body = response.status, await response.text()
            # The example project redirects nobody who reads.
            if status >= 400 or (self.trees and method == "GET" and status != 200):
                failure = f"{method} {path}: {status}"
            elif path == "/where/":
                machine = json.loads(body)["machine"]
        except Exception as error:
            failure = f"{method} {path}: {error!r}"
        took = time.monotonic() - began
        if not failure and len(connections) > 1 and connections[0] == "new":
            failure = f"{method} {path}: a new connection was closed without an answer"
        stale = bool(must_show) and not failure and must_show not in body
        repeated = len(connections) > 1
        self.answers.append(Answer(kind, began, took, failure, repeated, stale, machine))
        return None if failure else (status, body)
