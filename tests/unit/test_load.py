"""The load tool sees what goes wrong: a real HTTP server that loses, doubles and hides rows."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from espalier.load import stored
from espalier.load.ledger import Ledger, Rows, compare, entries
from espalier.load.report import Answer, is_clean, sentence, summary
from espalier.load.sessions import OnlyThisSite
from espalier.load.site import LoadError, Site, site_of
from espalier.load.visitors import Load


class Orchard:
    """As much of the example project as the visitors use; ``faults`` says what it does wrong."""

    def __init__(self, *faults: str) -> None:
        """Have these faults."""
        self.faults = set(faults)
        self.notes: list[str] = []
        self.posts: Counter[str] = Counter()
        self.connections: Counter[Any] = Counter()  # by the object: a number may come again

    async def page(self, request: web.Request) -> web.Response:
        """A page that links to two trees and shows every note."""
        self.connections[request.transport] += 1
        used = self.connections[request.transport]
        if "broken" in self.faults and request.path == "/guide/":
            return web.Response(status=502)
        closes_kept = "closes kept connections" in self.faults and used > 1
        if closes_kept or ("closes new connections" in self.faults and used == 1):
            self.connections.pop(request.transport)
            request.transport.close()
            return web.Response()
        shown = [] if "hides notes" in self.faults else self.notes
        answer = web.Response(text="/trees/1/ /trees/2/ " + " ".join(shown))
        answer.set_cookie("csrftoken", "a-token")
        return answer

    async def note(self, request: web.Request) -> web.Response:
        """Take a note, as a browser sends it."""
        text = (await request.post())["text"]
        self.posts[text] += 1
        assert request.headers["X-CSRFToken"] == request.cookies["csrftoken"] == "a-token"
        if "loses rows" not in self.faults:
            self.notes += [text] * (2 if "doubles rows" in self.faults else 1)
        if "never answers writes" in self.faults:
            request.transport.close()
        return web.Response(status=200 if "knew it" in self.faults else 201)

    async def where(self, request: web.Request) -> web.Response:
        """Name the machine."""
        return web.json_response({"machine": "app2"})

    async def list(self, request: web.Request) -> web.Response:
        """Give two notes an answer."""
        after = int(request.query["after"])
        found = [{"id": i, "text": t} for i, t in enumerate(self.notes, 1) if i > after][:2]
        more = bool(found) and found[-1]["id"] < len(self.notes)
        return web.json_response({"notes": found, "next": found[-1]["id"] if more else None})


@contextmanager
def serving(orchard: Orchard) -> Iterator[Site]:
    """Serve an orchard on a free port of this machine."""
    application = web.Application()
    application.add_routes(
        [
            web.get("/where/", orchard.where),
            web.get("/notes.json", orchard.list),
            web.post("/trees/{tree}/note/", orchard.note),
            web.get("/{path:.*}", orchard.page),
        ]
    )
    loop, runner = asyncio.new_event_loop(), web.AppRunner(application, access_log=None)
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def start() -> int:
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return runner.addresses[0][1]

    port = asyncio.run_coroutine_threadsafe(start(), loop).result()
    yield Site("127.0.0.1", "orchard.example", "http", port)
    asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result()
    loop.call_soon_threadsafe(loop.stop)
    thread.join()


def visit(orchard: Orchard, tmp_path: Path, requests: int = 120, **options: Any) -> dict[str, Any]:
    """Send a hundred requests or so; gives the report."""
    ledger = tmp_path / "ledger"
    with serving(orchard) as site:
        load = Load(site, 4, ledger, requests=requests, pause=0, **options)
        with load:
            load.wait(threading.Event())
        return load.report()


@pytest.fixture(autouse=True)
def _no_replica_to_wait_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored, "CATCH_UP", 0)


def test_a_good_site(tmp_path: Path) -> None:
    orchard = Orchard()
    orchard.notes = ["here before: 11111111-2222-4333-8444-555555555555"]
    report = visit(orchard, tmp_path)
    rows = report["rows"]
    assert 120 <= report["sent"] < 130
    assert (report["failed"], report["repeated"], report["stale"]) == (0, 0, 0)
    assert rows["sent"] == rows["acknowledged"] == rows["stored"] == len(orchard.notes) - 1 > 0
    assert (rows["lost"], rows["doubled"], rows["unacknowledged"]) == (0, 0, 0)
    assert report["machines"].keys() == {"app2"}
    assert report["kinds"].keys() == {"read", "write", "own"}
    assert is_clean(report)
    # Every visitor reads over the one connection that it keeps.
    assert len(orchard.connections) <= 5


def test_failed_requests_are_counted_and_quoted(tmp_path: Path) -> None:
    report = visit(Orchard("broken"), tmp_path)
    assert report["failed"] > 0
    assert report["failures"][0]["what"] == "GET /guide/: 502"
    assert not is_clean(report)


def test_lost_rows(tmp_path: Path) -> None:
    report = visit(Orchard("loses rows"), tmp_path)
    rows = report["rows"]
    assert rows["lost"] == rows["acknowledged"] > 0
    assert rows["stored"] == 0
    assert not is_clean(report)


@pytest.mark.parametrize("fault", ["doubles rows", "knew it"])
def test_doubled_rows(tmp_path: Path, fault: str) -> None:
    report = visit(Orchard(fault), tmp_path)
    rows = report["rows"]
    assert rows["doubled"] == rows["stored"] > 0
    assert not is_clean(report)


def test_stale_reads(tmp_path: Path) -> None:
    report = visit(Orchard("hides notes"), tmp_path)
    assert report["stale"] == report["rows"]["acknowledged"] > 0
    assert not is_clean(report)


def test_a_write_without_an_answer_is_a_failure_and_is_sent_once(tmp_path: Path) -> None:
    orchard = Orchard("never answers writes")
    report = visit(orchard, tmp_path)
    assert set(orchard.posts.values()) == {1}
    assert report["failed"] == report["rows"]["unacknowledged"] == len(orchard.posts) > 0
    assert report["rows"]["acknowledged"] == 0


def test_a_kept_connection_that_closes_is_no_failure_but_counted(tmp_path: Path) -> None:
    report = visit(Orchard("closes kept connections"), tmp_path)
    assert report["failed"] == 0, report["failures"]
    assert report["repeated"] > 0
    assert is_clean(report)


def test_a_new_connection_that_closes_is_a_failure(tmp_path: Path) -> None:
    orchard = Orchard()
    with serving(orchard) as site, Load(site, 4, pause=0) as load:
        orchard.faults.add("closes new connections")
        orchard.faults.add("closes kept connections")
        while len(load.answers) < 60:
            time.sleep(0.01)
    assert load.report()["failed"] > 0
    with pytest.raises(AssertionError, match="failed"):
        load.verify()


def test_a_site_that_is_gone_in_the_end_has_lost_all_rows(tmp_path: Path) -> None:
    with serving(Orchard()) as site:
        load = Load(site, 4, tmp_path / "ledger", requests=60, pause=0)
        with load:
            load.wait(threading.Event())
    report = load.report()
    assert report["rows"]["lost"] == report["rows"]["acknowledged"] > 0
    assert "notes.json cannot be read" in report["failures"][-1]["what"]
    assert not is_clean(report)


def test_pages_that_were_asked_for_are_read_in_turn(tmp_path: Path) -> None:
    paths = ("/guide/", "/where/")
    with serving(Orchard("broken")) as site, Load(site, 1, requests=6, paths=paths) as load:
        load.wait(threading.Event())
    report = load.report()
    assert (report["sent"], report["failed"], report["machines"]) == (6, 3, {"app2": 3})


def test_a_load_without_a_ledger_only_reads(tmp_path: Path) -> None:
    orchard = Orchard()
    with serving(orchard) as site, Load(site, requests=30, pause=0) as load:
        load.wait(threading.Event())
    report = load.report()
    assert report["kinds"].keys() == {"read"}
    assert "rows" not in report
    assert not orchard.posts


def test_a_load_that_sent_nothing_shows_nothing() -> None:
    report = summary([], began=0, seconds=1)
    assert not is_clean(report)
    assert sentence(report) == (
        "sent 0, failed 0, repeated 0, slowest 0.00 s (median 0.000, p99 0.000)"
    )


def test_summary_of_one_kind() -> None:
    answers = [Answer("read", 10 + n, took=n / 100) for n in range(1, 101)]
    report = summary(answers, began=10, seconds=100)
    assert report["kinds"]["read"] == {
        "sent": 100,
        "failed": 0,
        "slowest": 1.0,
        "p50": 0.5,
        "p99": 0.99,
    }


def test_bounds_are_bounded(tmp_path: Path) -> None:
    site = Site("127.0.0.1", "orchard.example")
    for wide in ({"seconds": 3601}, {"requests": 500_001}, {"seconds": 0}):
        with pytest.raises(LoadError, match="at most 3600 seconds and 500000 requests"):
            Load(site, **wide).__enter__()


def test_only_what_the_inventory_names_is_visited() -> None:
    machines = {"vps1": {"public_address": "198.18.0.11"}}
    topology = {"services": {"nginx": ["vps1"]}, "machines": machines}
    hostvars = {"vps1": {"topology": topology, "project": {"domains": ["orchard.example"]}}}
    assert site_of(hostvars) == Site("198.18.0.11", "orchard.example")
    with pytest.raises(LoadError, match="elsewhere is no web machine of this inventory"):
        site_of(hostvars, "elsewhere")
    hostvars["vps1"]["project"] = {"domains": ["192.0.2.1"]}
    with pytest.raises(LoadError, match="which is not that of vps1"):
        site_of(hostvars)
    with pytest.raises(LoadError, match="has no topology"):
        site_of({"vps1": {}})


def test_no_other_name_is_looked_up() -> None:
    resolver = OnlyThisSite(Site("198.18.0.11", "orchard.example"))
    assert asyncio.run(resolver.resolve("orchard.example", 443))[0]["host"] == "198.18.0.11"
    with pytest.raises(OSError, match="not the site of the inventory"):
        asyncio.run(resolver.resolve("elsewhere.example", 443))


def test_a_project_without_notes_is_told(tmp_path: Path) -> None:
    orchard = Orchard("closes kept connections", "closes new connections")
    with (
        serving(orchard) as site,
        pytest.raises(LoadError, match="Use --read-only"),
    ):
        Load(site, ledger_path=tmp_path / "ledger").__enter__()


def test_ledger_of_a_killed_load(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger")
    for key in ("lost", "stored", "twice"):
        ledger.send(key)
        ledger.acknowledge(key, again=False)
    ledger.send("unacknowledged")
    ledger.send("never came")
    ledger.close()
    with ledger.path.open("a") as file:
        file.write('{"sent": "half a li')
    stored = ["stored", "twice", "twice", "unacknowledged", "somebody else's"]
    assert compare(entries(ledger.path), stored) == Rows(
        sent=5, acknowledged=3, stored=3, lost=1, unacknowledged=1, doubled=1
    )


def test_the_command_says_what_is_missing() -> None:
    code = (
        "import runpy, sys; sys.modules['aiohttp'] = None; "
        "runpy.run_module('espalier.load', run_name='__main__')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith("load: aiohttp is not installed here: install it ")
    assert len(done.stderr.splitlines()) == 1
