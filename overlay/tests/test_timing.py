"""What a request took, and where, as its header tells it; and that nobody notices it otherwise."""

import json
import os
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from espalier_overlay import timed_queries
from espalier_overlay.times import Times, current, measure, run_queue_wait
from espalier_overlay.timing import Switch, header
from overlay.tests.conftest import PROJECT, Run
from overlay.tests.servers import INITDB, PostgreSQL

PRELUDE = f"""
import json, os, sys, threading, time
import django; django.setup()
from django.core.management import call_command
from django.test import Client
call_command("migrate", verbosity=0)
call_command("createcachetable", "kept", verbosity=0)
from django.db import connections
connections.close_all()
from espalier_overlay import timed_queries, timing
timed_queries.CODE = {str(PROJECT)!r}
def get(path, **headers):
    headers = {{"host": "tiny.example.com", **headers}}
    return Client(headers=headers, raise_request_exception=False).get(path)
def times(response):
    told = dict(part.split("=") for part in response.headers["X-Espalier-Timing"].split(";"))
    return {{key: value if key == "view" else float(value) for key, value in told.items()}}
def tell(value):
    print(json.dumps(value))
"""


@pytest.fixture
def outcome(run: Run) -> Any:
    """Return `outcome(code, **environ)`: what the code tells, with timing on."""

    def outcome(code: str, **environ: str) -> Any:
        given = {"ESPALIER_SETTINGS": "tiny.timed", "ESPALIER_INSIGHT": "1", **environ}
        result = run("-c", PRELUDE + code, **given)
        assert result.returncode == 0, result.stderr
        return json.loads(result.stdout.splitlines()[-1])

    return outcome


@pytest.fixture
def other() -> Iterator[str]:
    """Run a server that takes 0.2 s to answer; gives its address."""

    class Slow(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            threading.Event().wait(0.2)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"late")

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Slow)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


def test_the_header_has_each_number_once() -> None:
    times = Times()
    times.app, times.cpu, times.db, times.queries, times.hits = 0.0123454, 1.0, 1e-7, 7, 3
    value, _, pid = header(times, "garden:tree").rpartition(";")
    assert value == (
        "view=garden:tree;app=0.012345;cpu=1;wait=0;db=0;queries=7;writes=0;connects=0;"
        "connecting=0;cache=0;hits=3;misses=0;outside=0"
    )
    assert pid.startswith("pid=")


def test_a_section_within_another_one_counts_once() -> None:
    times = Times()

    def inner() -> None:
        measure(times, "db", threading.Event().wait, 0.1)

    measure(times, "cache", inner)
    assert times.db >= 0.1
    assert 0 <= times.cache < times.db / 2


def test_the_file_is_looked_for_once_a_second(tmp_path: Path) -> None:
    now, file = [100.0], tmp_path / "on"
    switch = Switch({}, str(file), lambda: now[0])
    assert not switch.is_on()
    file.touch()
    now[0] = 100.9
    assert not switch.is_on()
    now[0] = 101.0
    assert switch.is_on()
    file.unlink()
    now[0] = 101.9
    assert switch.is_on()
    now[0] = 102.0
    assert not switch.is_on()


def test_a_file_that_nobody_keeps_fresh_is_of_one_that_was_killed(tmp_path: Path) -> None:
    file = tmp_path / "on"
    file.touch()
    assert Switch({}, str(file)).is_on()
    os.utime(file, (time.time() - 11, time.time() - 11))
    assert not Switch({}, str(file)).is_on()


def test_the_environment_alone_turns_it_on_for_ever(tmp_path: Path) -> None:
    assert Switch({"ESPALIER_INSIGHT": "1"}, str(tmp_path / "on")).is_on()
    assert not Switch({"ESPALIER_INSIGHT": "0"}, str(tmp_path / "on")).is_on()


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("INSERT INTO a VALUES (1)", True),
        ("  update a SET b = 1", True),
        ("/* by hand */ DELETE FROM a", True),
        ("-- by hand\n(MERGE INTO a", True),
        ("SELECT * FROM a WHERE b = 1 FOR UPDATE SKIP LOCKED", True),
        ("select * from a for no key update", True),
        ("WITH a AS (DELETE FROM b RETURNING *) SELECT * FROM a", True),
        ("SELECT updated FROM a", False),
        ("SELECT 1", False),
        ("WITH a AS (SELECT 1) SELECT updated FROM a", False),
        ("SAVEPOINT a", False),
        ("", False),
    ],
)
def test_what_changes_rows_is_told_by_the_statement(sql: str, expected: bool) -> None:
    assert timed_queries.writes(sql) is expected


def test_the_wait_for_a_core_only_grows() -> None:
    first = run_queue_wait()
    assert 0 <= first <= run_queue_wait()


def test_queries_are_counted_and_the_view_is_named(outcome: Any) -> None:
    told = outcome("tell([times(get('/notes/queries/3')), times(get('/write'))])")
    (three, two) = told
    assert three["view"] == "notes:queries___more"
    assert (three["queries"], three["writes"]) == (3, 0)
    assert (three["connects"], two["connects"]) == (1, 0)
    assert 0 < three["db"] < three["app"]
    assert 0 < three["connecting"] < three["app"]
    # Two writes and a read, and what begins the transaction.
    assert (two["view"], two["writes"]) == ("write", 2)
    assert two["queries"] == 4


def test_views_without_a_name_and_addresses_without_a_view(outcome: Any) -> None:
    code = "tell([times(get(path))['view'] for path in ('/compute', '/class', '/nowhere')])"
    assert outcome(code) == ["notes.timed.compute", "notes.timed.Page", ""]


def test_keys_of_the_cache_are_hits_and_misses(outcome: Any) -> None:
    page, told = outcome("p = get('/cached'); tell([p.content.decode(), times(p)])")
    assert page == "[1, None, True, {'a': 1}]"
    assert (told["hits"], told["misses"]) == (2, 3)
    assert 0 < told["cache"] < told["app"]


def test_a_cache_in_the_database_takes_database_time(outcome: Any) -> None:
    page, told = outcome("p = get('/table'); tell([p.content.decode(), times(p)])")
    assert page == "1"
    assert (told["hits"], told["misses"]) == (1, 0)
    assert told["queries"] > 2
    assert told["cache"] + told["db"] + told["connecting"] <= told["app"]


def test_a_broken_cache_and_a_broken_view_are_as_without_timing(outcome: Any) -> None:
    code = """
answers = [(p.status_code, p.content.decode()) for p in (get("/broken"), get("/fail"))]
tell([answers, times(get("/fail")), times(get("/broken"))])
"""
    answers, fail, broken = outcome(code)
    assert answers[0] == [200, "the cache is broken"]
    assert answers[1][0] == 500
    assert (fail["view"], fail["queries"]) == ("fail", 1)
    assert (broken["hits"], broken["misses"]) == (0, 0)


def test_another_server_and_a_program_are_outside_and_counted_once(
    outcome: Any, other: str
) -> None:
    page, told = outcome("p = get('/outside'); tell([p.content.decode(), times(p)])", OTHER=other)
    assert page == "late"
    assert 0.3 <= told["outside"] <= told["app"]
    assert told["cpu"] < 0.2


def test_computing_is_told_from_sleeping(outcome: Any) -> None:
    told = outcome("tell(times(get('/compute')))")
    assert 0.1 <= told["cpu"] <= told["app"] - 0.1
    assert told["outside"] == told["db"] == told["cache"] == 0


def test_probes_are_not_timed_and_nothing_is_while_it_is_off(outcome: Any) -> None:
    code = """
tell(["X-Espalier-Timing" in get(path).headers for path in ("/-/alive", "/-/ready", "/compute")])
"""
    assert outcome(code) == [False, False, True]
    assert outcome(code, ESPALIER_INSIGHT="") == [False, False, False]


def test_it_goes_on_and_off_while_the_process_runs(outcome: Any, tmp_path: Path) -> None:
    code = f"""
timing.FILE = {str(tmp_path / "on")!r}
timing.Switch.__init__.__defaults__ = (os.environ, timing.FILE, time.monotonic)
timing.LOOK_EVERY = 0
client = Client(headers={{"host": "tiny.example.com"}})
found = [client.get("/notes/queries/2")]
open(timing.FILE, "w").close()
found.append(client.get("/notes/queries/2"))
os.unlink(timing.FILE)
found.append(client.get("/notes/queries/2"))
tell([times(p)["queries"] if "X-Espalier-Timing" in p.headers else None for p in found])
"""
    # The connection is there before timing is on, as in a site that runs.
    assert outcome(code, ESPALIER_INSIGHT="") == [None, 2, None]


def test_threads_do_not_mix_their_numbers(outcome: Any) -> None:
    code = """
told = {}
def ask(count):
    told[count] = [times(get(f"/notes/queries/{count}"))["queries"] for _ in range(10)]
threads = [threading.Thread(target=ask, args=(count,)) for count in range(1, 7)]
for thread in threads: thread.start()
for thread in threads: thread.join()
tell([sorted(set(told[count])) for count in sorted(told)])
"""
    assert outcome(code) == [[1], [2], [3], [4], [5], [6]]


def test_an_asgi_site_is_timed_too(outcome: Any) -> None:
    code = """
import asyncio
from django.test import AsyncClient
client = AsyncClient()
async def several():
    paths = ["/async", "/notes/queries/3", "/async", "/notes/queries/5"]
    return [times(p) for p in await asyncio.gather(*map(client.get, paths))]
tell(asyncio.run(several()))
"""
    told = outcome(code, ESPALIER_ALLOWED_HOSTS="testserver")
    assert [one["queries"] for one in told] == [2, 3, 2, 5]
    assert {(one["cpu"], one["wait"]) for one in told} == {(0, 0)}
    assert all(0 < one["db"] < one["app"] for one in told)


def test_one_request_in_fifty_marks_its_statements(outcome: Any) -> None:
    code = """
from notes import timed
marked = []
for number in range(52):
    timed.seen.clear()
    get("/notes/queries/1", **{"x-request-id": f"{number}*/ x"})
    if "espalier" in timed.seen[0]:
        marked.append(timed.seen[0])
tell([marked, timed.seen[0]])
"""
    marked, plain = outcome(code)
    line = 1 + next(
        number
        for number, text in enumerate((PROJECT / "notes/timed.py").read_text().splitlines())
        if 'filter(text="100%")' in text
    )
    marks = [
        f"/* espalier request={number}___x view=notes:queries___more at=notes/timed.py:{line} */"
        for number in (0, 50)
    ]
    assert marked == [f"{mark} {plain}" for mark in marks]
    assert plain.startswith("SELECT COUNT(*)")


@pytest.mark.skipif(not INITDB, reason="PostgreSQL is not installed")
def test_postgresql_takes_marked_statements_and_shows_the_mark(outcome: Any) -> None:
    code = """
import psycopg
timing.SAMPLE_EVERY = 1
pages = [get("/write"), get("/notes/queries/2", **{"x-request-id": "a1b2"})]
with psycopg.connect(os.environ["ADMIN"]) as admin:
    shown = admin.execute("SELECT query FROM pg_stat_activity WHERE application_name = 'django'")
    tell([[(p.status_code, times(p)["writes"]) for p in pages], shown.fetchone()[0]])
"""
    server = PostgreSQL()
    try:
        server.create()
        found = {
            "ESPALIER_DATABASE_URL": server.url("postgres", "postgres"),
            "ADMIN": server.admin(),
        }
        pages, shown = outcome(code, **found)
    finally:
        server.remove()
    assert pages == [[200, 2], [200, 0]]
    assert shown.startswith("/* espalier request=a1b2 view=notes:queries___more at=notes/timed.py:")
    assert shown.endswith("""WHERE "notes_note"."text" = '100%'""")


def test_a_hint_to_the_planner_stays_in_front() -> None:
    times = Times()
    times.sample, got = "a1b2", []
    token = current.set(times)
    try:
        for sql in ("SELECT 1", " /*+ SeqScan(a) */ SELECT 1", b"SELECT 1"):
            timed_queries._measured_execute(lambda sql, *_: got.append(sql), sql, (), False, {})
        timed_queries._measured_execute(lambda sql, *_: got.append(sql), "SELECT 1", (), True, {})
    finally:
        current.reset(token)
    mark = "/* espalier request=a1b2 view= at= */"
    assert got[0] == f"{mark} SELECT 1"
    assert got[1] == f" /*+ SeqScan(a) */ SELECT 1 {mark}"
    assert got[2:] == [b"SELECT 1", "SELECT 1"]
    assert (times.queries, times.writes) == (4, 0)


def test_a_failure_of_timing_costs_its_header_only(outcome: Any) -> None:
    code = """
def fail(*_): raise RuntimeError("timing is broken")
timing.header = fail
timing.watch_open_connections = fail
timed_queries.view_of = fail
p = get("/notes/queries/2")
tell([p.status_code, "X-Espalier-Timing" in p.headers])
"""
    assert outcome(code) == [200, False]
