#!/usr/bin/env python3
"""Visit a site as many people would, and count what goes wrong.

    traffic.py -i inventories/lab                   six visitors for a minute, reading and writing
    traffic.py -i inventories/lab --read-only       any project: only its front page
    traffic.py -i inventories/lab --compare FILE    compare a killed load's ledger with the site

It visits the web machine that the inventory names, under the project's domain, and nothing else; it
ends at its bounds or when told to (SIGTERM, Ctrl-C), and then reports. Exit status 1: a request
failed, or a row was lost, applied twice or not seen by its own writer.

Visitors keep one connection open, and cookies, as browsers do. Writing needs the example project
(examples/orchard): a visitor opens a tree's form, sends a note with a key of its own, and then
looks whether the tree's page shows it. Each key goes into a ledger before it is sent and after it
was acknowledged; at the end the ledger is compared with what the site has stored.

What is sent twice, and what never is: a server may close a kept connection just as a request
arrives on it. A browser then repeats the request; here aiohttp repeats a GET, once, and it is
counted as `repeated`. The same on a *new* connection is a failure. A POST is never repeated: each
goes over a new connection, which no server closes for being idle, so whatever goes wrong with one
is a failure.
"""

from __future__ import annotations

import argparse
import asyncio
import ipaddress
import json
import random
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import SimpleNamespace, TracebackType
from typing import Any, NamedTuple

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from ledger import Ledger, compare, entries

ROOT = Path(__file__).resolve().parents[2]
MAX_SECONDS = 3600
MAX_REQUESTS = 500_000
TIMEOUT = 30  # seconds for one request, as patient people are
WRITES = 0.15  # of a visitor's turns
CATCH_UP = 15  # seconds in which a replica must show what was acknowledged
REASONS = 10  # failures that a report quotes
TREE = re.compile(r"/trees/(\d+)/")
NOTE_KEY = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$")


class LoadError(Exception):
    """The load cannot be made; a sentence for the person at the terminal."""


# --- the site, and nothing else -------------------------------------------------------------------


@dataclass(frozen=True)
class Site:
    """Where the visitors go: a machine's address, and the name that they ask for."""

    address: str
    domain: str
    scheme: str = "https"
    port: int = 0  # the scheme's own

    @property
    def base(self) -> str:
        """The beginning of every URL, which is also what a browser sends as the origin."""
        host = f"[{self.domain}]" if ":" in self.domain else self.domain
        return f"{self.scheme}://{host}" + (f":{self.port}" if self.port else "")


def site_of(hostvars: Mapping[str, Any], machine: str = "") -> Site:
    """Give the site that an inventory describes.

    Args:
        hostvars: the machines' variables, as ``ansible-inventory --list`` gives them.
        machine: the web machine to visit, by name; the first one if empty.

    Raises:
        LoadError: the inventory has no such web machine.
    """
    topology = next(iter(hostvars.values()), {}).get("topology")
    if not topology:
        raise LoadError("This inventory has no topology: give its directory (-i inventories/lab).")
    web = topology["services"]["nginx"]
    if machine and machine not in web:
        raise LoadError(
            f"{machine} is no web machine of this inventory, and a load visits no other: "
            f"choose one of {', '.join(web)}."
        )
    name = machine or web[0]
    address = topology["machines"][name]["public_address"]
    domain = (hostvars[name].get("project", {}).get("domains") or [address])[0]
    if _is_address(domain) and domain != address:
        raise LoadError(
            f"The first of `domains` in project.yml is the address {domain}, which is not that of "
            f"{name} ({address}), and a load visits no other: write {address} there, or a name."
        )
    return Site(address, domain)


def read_inventory(inventory: str) -> dict[str, Any]:
    """Give every machine's variables; LoadError if the inventory is refused."""
    program = str(Path(sys.executable).with_name("ansible-inventory"))
    command = [program, "-i", str(Path(inventory).resolve()), "--list"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    if done.returncode:
        raise LoadError(done.stderr.strip())
    return json.loads(done.stdout)["_meta"]["hostvars"]


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


class _OnlyHere(AbstractResolver):
    """A resolver that knows one name, so that no request can leave for elsewhere."""

    def __init__(self, site: Site) -> None:
        self.site = site

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Give the site's address for the site's name; OSError for any other."""
        if host != self.site.domain:
            raise OSError(f"{host} is not the site of the inventory")
        loop = asyncio.get_running_loop()
        # Mostly an address, but `ansible_host` may be a name, too.
        found = await loop.getaddrinfo(self.site.address, port, type=socket.SOCK_STREAM)
        return [
            ResolveResult(
                hostname=host, host=where[0], port=port, family=of, proto=protocol, flags=0
            )
            for of, _, protocol, _, where in found
        ]

    async def close(self) -> None:
        """Nothing to close."""


def _sessions(site: Site) -> tuple[aiohttp.ClientSession, aiohttp.ClientSession]:
    """Open a visitor's two sessions, with the same cookies: only the first keeps its connection."""
    jar = aiohttp.CookieJar(unsafe=True)  # a site without a name has cookies, too
    tracing = aiohttp.TraceConfig()

    async def opened(session: Any, used: SimpleNamespace, parameters: Any) -> None:
        if used.trace_request_ctx is not None:
            used.trace_request_ctx.append("new")

    async def reused(session: Any, used: SimpleNamespace, parameters: Any) -> None:
        if used.trace_request_ctx is not None:
            used.trace_request_ctx.append("kept")

    tracing.on_connection_create_end.append(opened)
    tracing.on_connection_reuseconn.append(reused)
    kept, fresh = (
        aiohttp.ClientSession(
            base_url=site.base,
            cookie_jar=jar,
            connector=aiohttp.TCPConnector(
                resolver=_OnlyHere(site),
                ssl=False,  # the lab's certificate is self-signed
                limit=1,
                force_close=force_close,
            ),
            timeout=aiohttp.ClientTimeout(total=TIMEOUT),
            trace_configs=[tracing],
        )
        for force_close in (False, True)
    )
    return kept, fresh


# --- what is measured -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Answer:
    """One request: when it was sent and how long it took (seconds), and what came of it."""

    kind: str  # read, write, own: the page that must show what its reader wrote
    began: float
    took: float
    failure: str = ""
    repeated: bool = False
    stale: bool = False
    machine: str = ""


def summary(answers: Sequence[Answer], began: float, seconds: float) -> dict[str, Any]:
    """Put requests into numbers, as plain data; every duration in seconds.

    Args:
        answers: the requests.
        began: when the load began, on the clock of the answers.
        seconds: how long the load (or the part of it that is looked at) took.
    """
    failed = [answer for answer in answers if answer.failure]
    kinds = {
        kind: _figures([answer for answer in answers if answer.kind == kind])
        for kind in sorted({answer.kind for answer in answers})
    }
    return {
        "seconds": round(seconds, 1),
        **_figures(answers),
        "repeated": sum(answer.repeated for answer in answers),
        "stale": sum(answer.stale for answer in answers),
        "kinds": kinds,
        "machines": dict(sorted(Counter(a.machine for a in answers if a.machine).items())),
        "failures": [
            {"after": round(answer.began - began, 1), "kind": answer.kind, "what": answer.failure}
            for answer in failed[:REASONS]
        ],
    }


def _figures(answers: Sequence[Answer]) -> dict[str, Any]:
    took = sorted(answer.took for answer in answers)
    return {
        "sent": len(answers),
        "failed": sum(bool(answer.failure) for answer in answers),
        "slowest": round(took[-1], 3) if took else 0,
        "p50": round(_quantile(took, 0.5), 3),
        "p99": round(_quantile(took, 0.99), 3),
    }


def _quantile(ordered: Sequence[float], share: float) -> float:
    """Give the value that ``share`` of the ordered values do not exceed (nearest rank)."""
    return ordered[max(0, -int(-share * len(ordered) // 1) - 1)] if ordered else 0.0


def sentence(report: Mapping[str, Any]) -> str:
    """Say a report in one line."""
    line = (
        f"sent {report['sent']}, failed {report['failed']}, repeated {report['repeated']}, slowest "
        f"{report['slowest']:.2f} s (median {report['p50']:.3f}, p99 {report['p99']:.3f})"
    )
    if rows := report.get("rows"):
        line += (
            f"; rows: {rows['acknowledged']} acknowledged, {rows['stored']} stored, "
            f"{rows['lost']} lost, {rows['doubled']} doubled; stale reads {report['stale']}"
        )
    if report["machines"]:
        line += f"; answered by {', '.join(f'{m} ({n})' for m, n in report['machines'].items())}"
    return line


def is_clean(report: Mapping[str, Any]) -> bool:
    """Say whether requests were sent and nothing was failed, lost, doubled or stale."""
    rows = report.get("rows") or {"lost": 0, "doubled": 0}
    wrong = report["failed"] + report["stale"] + rows["lost"] + rows["doubled"]
    return bool(report["sent"]) and not wrong


# --- the load -------------------------------------------------------------------------------------


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
    answers: list[Answer] = field(default_factory=list, init=False)

    def __enter__(self) -> Load:
        """Start; LoadError where the bounds are too wide or the project cannot be written to."""
        if not (0 < self.seconds <= MAX_SECONDS and 0 < self.requests <= MAX_REQUESTS):
            raise LoadError(
                f"A load is bounded: at most {MAX_SECONDS} seconds and {MAX_REQUESTS} requests."
            )
        self.ledger = Ledger(self.ledger_path) if self.ledger_path else None
        self.trees, self._newest = [], 0
        if self.ledger:
            self.trees, self._newest = asyncio.run(_survey(self.site))
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
        """Be one visitor: read here and there, now and then write and look for what was written."""
        dice = random.Random(number)
        kept, fresh = _sessions(self.site)
        async with kept, fresh:
            while self._goes_on():
                if self.ledger and dice.random() < WRITES:
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
        """Open the form, send a note, and look for it on the tree's page."""
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


# --- what is stored -------------------------------------------------------------------------------


async def _survey(site: Site) -> tuple[list[int], int]:
    """Give the trees that visitors may write about, and the id of the newest note."""
    kept, fresh = _sessions(site)
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


READ_ONLY = (
    "writing needs the example project (examples/orchard), as others have no rows that can be "
    "counted. Use --read-only."
)


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
    kept, fresh = _sessions(site)
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


# --- the command ----------------------------------------------------------------------------------


def arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("-i", "--inventory", required=True, help="the site is the one it describes")
    parser.add_argument("--machine", default="", help="a web machine; default: the first")
    parser.add_argument("--visitors", type=int, default=6, help="at once (default 6)")
    parser.add_argument("--seconds", type=float, default=60, help=f"at most {MAX_SECONDS}")
    parser.add_argument("--requests", type=int, default=50_000, help=f"at most {MAX_REQUESTS}")
    parser.add_argument("--pause", type=float, default=0.05, help="seconds between two requests")
    parser.add_argument("--read-only", action="store_true", help="send no POST")
    parser.add_argument("--ledger", type=Path, default=ROOT / ".lab/load/ledger.jsonl")
    parser.add_argument("--report", type=Path, default=ROOT / ".lab/load/report.json")
    parser.add_argument("--compare", type=Path, metavar="LEDGER", help="send nothing, compare")
    return parser.parse_args(argv)


def main() -> int:
    """Run the command line; gives the exit status."""
    wanted = arguments()
    try:
        site = site_of(read_inventory(wanted.inventory), wanted.machine)
        if wanted.compare:
            rows = check_rows(site, wanted.compare)
            print(json.dumps(rows))
            return 1 if rows["lost"] or rows["doubled"] else 0
        ledger = None if wanted.read_only else wanted.ledger
        bounds = (wanted.seconds, wanted.requests, wanted.pause)
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        with Load(site, wanted.visitors, ledger, *bounds) as load:
            load.wait(stop)
        report = load.report()
    except LoadError as error:
        print(f"load: {error}", file=sys.stderr)
        return 2
    wanted.report.parent.mkdir(parents=True, exist_ok=True)
    wanted.report.write_text(json.dumps(report, indent=2) + "\n")
    print(sentence(report))
    for failure in report["failures"]:
        print(f"  after {failure['after']} s: {failure['what']}")
    return 0 if is_clean(report) else 1


if __name__ == "__main__":
    sys.exit(main())
