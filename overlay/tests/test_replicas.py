"""Reads on a real streaming replica: where they go, that none is stale, and that none fails."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from overlay.tests.conftest import Run
from overlay.tests.servers import INITDB, PostgreSQL

psycopg = pytest.importorskip("psycopg")
pytestmark = pytest.mark.skipif(not INITDB, reason="PostgreSQL is not installed")

# Runs in a process with the project, like a worker. `wait(what)` waits without a limit of its own;
# the run has one.
PRELUDE = """
import json, os, signal, sys, threading, time
import django; django.setup()
import psycopg
from django.db import connection, connections
from django.test import Client
from notes.models import Note
from espalier_overlay.router import COOKIE, watch
replica = psycopg.connect(os.environ["REPLICA"], autocommit=True)
primary = psycopg.connect(os.environ["PRIMARY"], autocommit=True)
def wait(what):
    while not what():
        time.sleep(0.02)
def caught_up():
    position, = primary.execute("SELECT pg_current_wal_insert_lsn()").fetchone()
    wait(lambda: replica.execute("SELECT pg_last_wal_replay_lsn() >= %s",
                                 [position]).fetchone()[0])
def client():
    return Client(raise_request_exception=False)
def get(path, c=None, **more):
    response = (c or client()).get(path, **more)
    assert response.status_code == 200, (path, response.status_code)
    return response.json()
def stars():
    return primary.execute("SELECT stars FROM notes_note ORDER BY id LIMIT 1").fetchone()[0]
def tell(value):
    print(json.dumps(value))
get("/notes")
wait(watch().fresh)
"""


@pytest.fixture(scope="module")
def primary() -> Iterator[PostgreSQL]:
    """Run a primary with an ordinary role."""
    server = PostgreSQL()
    try:
        server.create()
        with psycopg.connect(server.admin(), autocommit=True) as connection:
            connection.execute("CREATE ROLE tiny LOGIN")
            connection.execute("CREATE DATABASE tiny OWNER tiny")
        yield server
    finally:
        server.remove()


@pytest.fixture(scope="module")
def replica(primary: PostgreSQL) -> Iterator[PostgreSQL]:
    """Run a replica of it."""
    server = PostgreSQL()
    try:
        server.replica_of(primary)
        yield server
    finally:
        server.remove()


@pytest.fixture(scope="module")
def environ(primary: PostgreSQL, replica: PostgreSQL) -> dict[str, str]:
    """Return what sends the project to both, and a test to each."""
    return {
        "ESPALIER_SETTINGS": "tiny.grown",
        "ESPALIER_ALLOWED_HOSTS": "testserver",
        "ESPALIER_DATABASE_URL": primary.url("tiny", "tiny"),
        "ESPALIER_REPLICA_URLS": f"db2={replica.url('tiny', 'tiny')}",
        "PRIMARY": primary.admin("tiny"),
        "REPLICA": replica.admin("tiny"),
        "REPLICA_DATA": str(replica.data),
    }


@pytest.fixture
def outcome(run: Run, environ: dict[str, str], primary: PostgreSQL, replica: PostgreSQL) -> Any:
    """Return `outcome(code, **environ)`: what the code tells, on an empty, migrated database."""
    result = run("-m", "espalier_overlay.migrate", **environ)
    assert result.returncode == 0, result.stderr
    with psycopg.connect(primary.admin("tiny"), autocommit=True) as connection:
        connection.execute("TRUNCATE notes_note, django_session, auth_user CASCADE")
        connection.execute("INSERT INTO notes_note (id, text, stars) VALUES (1000000, 'one', 0)")

    def outcome(code: str, **more: str) -> Any:
        result = run("-c", f"{PRELUDE}\ncaught_up()\n{code}", **{**environ, **more})
        assert result.returncode == 0, result.stderr
        outcome.log = result.stderr
        return json.loads(result.stdout.splitlines()[-1])

    yield outcome
    if not (replica.data / "postmaster.pid").exists():
        replica.start()
    with psycopg.connect(replica.admin(), autocommit=True) as connection:
        if connection.execute("SELECT pg_is_wal_replay_paused()").fetchone()[0]:
            connection.execute("SELECT pg_wal_replay_resume()")


@pytest.mark.parametrize(
    ("how", "db"),
    [
        ("plain", ["espalier_db2", "espalier_db2"]),
        ("atomic", ["default", "espalier_db2"]),
        ("lock", ["default"]),
        ("create", ["espalier_db2", "default"]),
        ("save", ["espalier_db2", "default"]),
        ("cursor", ["espalier_db2", "default"]),
        # What is set on one connection, such as a tenant, is not set on another.
        ("set", ["espalier_db2", "default"]),
    ],
)
def test_where_a_page_reads(outcome: Any, how: str, db: list[str]):
    assert outcome(f"tell(get('/how/{how}')['db'])") == db


def test_a_write_that_looks_like_a_read_runs_once_on_the_primary(outcome: Any):
    assert outcome("tell([get('/how/raw')['db'], stars()])") == [["default"], 1]


def test_a_request_with_a_body_is_not_run_again_without_it(outcome: Any):
    code = """
body = client().generic("GET", "/how/raw", b"{}", content_type="application/json")
tell([body.status_code, stars()])"""
    assert outcome(code) == [500, 0]


def test_what_was_written_to_another_database_is_not_written_twice(outcome: Any):
    code = """
connections.settings["other"] = dict(connections.settings["default"])
tell([client().get("/how/elsewhere").status_code, stars()])"""
    assert outcome(code) == [500, 1]


def test_only_safe_methods_read_from_replicas(outcome: Any):
    code = """
tell([getattr(client(), method)("/how/plain").json()["db"][0]
      for method in ("get", "options", "post", "put", "delete")])"""
    replica, primary = "espalier_db2", "default"
    assert outcome(code) == [replica, replica, primary, primary, primary]


def test_outside_of_a_request_all_is_on_the_primary(outcome: Any):
    assert outcome("tell(Note.objects.get()._state.db)") == "default"


def test_a_client_with_a_login_in_a_header_and_no_cookie_reads_from_the_primary(outcome: Any):
    code = "tell(get('/how/plain', headers={'authorization': 'Token x'})['db'][0])"
    assert outcome(code) == "default"


def test_the_admin_is_on_the_primary(outcome: Any):
    code = """
from django.contrib.auth.models import User
from django.test.utils import CaptureQueriesContext
User.objects.create_superuser("ada", password="ada")
c = client()
c.post("/login")
del c.cookies[COOKIE]  # Django's client would send it for ever
caught_up()
def queries(path):
    with CaptureQueriesContext(connections["espalier_db2"]) as reads:
        assert c.get(path).status_code == 200
    return [q["sql"] for q in reads.captured_queries if "notes_note" in q["sql"]]
tell([len(queries("/how/plain")), len(queries("/backstage/notes/note/"))])"""
    assert outcome(code) == [2, 0]


def test_the_cookie_comes_after_a_write_and_goes_when_it_is_replayed(outcome: Any):
    code = """
c = client()
replica.execute("SELECT pg_wal_replay_pause()")
response = c.post("/notes", {"text": "x"})
morsel = response.cookies[COOKIE]
seen = [morsel["httponly"], morsel["samesite"], morsel["max-age"]]
pk = response.json()["pk"]
read = c.get(f"/notes/{pk}")
seen += [read.json()["db"], COOKIE in read.cookies]
replica.execute("SELECT pg_wal_replay_resume()")
caught_up(); wait(lambda: watch().fresh(int(morsel.value, 16)))
read = c.get(f"/notes/{pk}")
seen += [read.json()["db"], read.cookies[COOKIE]["max-age"], COOKIE in c.get("/notes").cookies]
tell(seen)"""
    assert outcome(code) == [True, "Lax", 70, "default", False, "espalier_db2", 0, False]


def test_the_cookie_goes_where_the_session_goes(outcome: Any):
    code = """
from django.conf import settings
settings.SESSION_COOKIE_DOMAIN, settings.SESSION_COOKIE_SAMESITE = ".example.com", "None"
morsel = client().post("/notes", {"text": "x"}).cookies[COOKIE]
tell([morsel["domain"], morsel["samesite"]])"""
    assert outcome(code) == [".example.com", "None"]


@pytest.mark.parametrize("cookie", ["", "primary", "-1", "0x1", "zz", "f" * 17])
def test_a_malformed_cookie_means_the_primary(outcome: Any, cookie: str):
    code = f"""
c = client(); c.cookies[COOKIE] = {cookie!r}
tell(get("/how/plain", c)["db"][0])"""
    assert outcome(code) == "default"


def test_a_login_is_not_lost_on_the_next_page(outcome: Any):
    code = """
from django.contrib.auth.models import User
User.objects.create_user("ada", password="ada")
caught_up()
replica.execute("SELECT pg_wal_replay_pause()")
c = client(); c.post("/login")
tell(get("/whoami", c)["user"])"""
    assert outcome(code) == "ada"


def test_nothing_is_stale_and_the_rest_is_read_from_the_replica_that_is_2_s_behind(
    outcome: Any, primary: PostgreSQL, replica: PostgreSQL
):
    code = """
def behind(delay):
    replica.execute(f"ALTER SYSTEM SET recovery_min_apply_delay = '{delay}'")
    replica.execute("SELECT pg_reload_conf()")
behind("2s")
stale = elsewhere = 0
reader = client()
for i in range(2000):
    c = client()
    pk = c.post("/notes", {"text": str(i)}).json()["pk"]
    stale += not get(f"/notes/{pk}", c)["there"]
    elsewhere += get("/notes/1000000", reader)["db"] == "espalier_db2"
behind("0")
tell([stale, elsewhere])"""
    stale, elsewhere = outcome(code)
    assert stale == 0
    assert elsewhere >= 1800


def test_a_replica_beyond_the_bound_is_left_out_and_taken_back(outcome: Any):
    code = """
replica.execute("SELECT pg_wal_replay_pause()")
primary.execute("UPDATE notes_note SET stars = stars + 1")
before = get("/how/plain")["db"][0]
wait(lambda: get("/how/plain")["db"][0] == "default")
replica.execute("SELECT pg_wal_replay_resume()")
wait(lambda: get("/how/plain")["db"][0] == "espalier_db2")
tell(before)"""
    assert outcome(code, ESPALIER_REPLICA_MAX_LAG="1") == "espalier_db2"
    assert "espalier_db2 is left out: it is more than 1 s behind the primary" in outcome.log


def test_an_idle_primary_makes_nobody_late(outcome: Any):
    code = """
time.sleep(2.5)
tell(get("/how/plain")["db"][0])"""
    assert outcome(code, ESPALIER_REPLICA_MAX_LAG="1") == "espalier_db2"


def test_a_replica_killed_under_load_is_no_error_and_comes_back(outcome: Any, replica: PostgreSQL):
    code = """
pid = int(open(os.environ["REPLICA_DATA"] + "/postmaster.pid").readline())
statuses, used = [], set()
stop = threading.Event()
def load(path):
    c = client()
    while not stop.is_set():
        response = c.get(path)
        statuses.append(response.status_code)
        if response.status_code == 200:
            used.update(response.json()["db"])
threads = [threading.Thread(target=load, args=(path,)) for path in
           ("/how/plain", "/how/plain", "/how/slow", "/how/slow")]
for thread in threads: thread.start()
wait(lambda: len(statuses) > 50)
before = set(used); used.clear()
replica.close()
os.kill(pid, signal.SIGQUIT)  # what an immediate stop sends: its backends end at once
count = len(statuses)
wait(lambda: len(statuses) > count + 100 and used == {"default"} or used.clear())
stop.set()
for thread in threads: thread.join()
tell(["espalier_db2" in before, sorted(set(statuses))])"""
    assert outcome(code) == [True, [200]]
    replica.start()
    assert outcome("tell(get('/how/plain')['db'][0])") == "espalier_db2"


def test_a_replica_that_hangs_is_left_out(outcome: Any, replica: PostgreSQL):
    code = """
pid = int(open(os.environ["REPLICA_DATA"] + "/postmaster.pid").readline())
backends = [row[0] for row in replica.execute("SELECT pid FROM pg_stat_activity"
            " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()")]
everything = [pid, *backends]
for process in everything: os.kill(process, signal.SIGSTOP)
try:
    wait(lambda: not watch().fresh())
    hanging = get("/how/plain")["db"][0]
finally:
    for process in everything: os.kill(process, signal.SIGCONT)
wait(watch().fresh)
tell([hanging, get("/how/plain")["db"][0]])"""
    assert outcome(code) == ["default", "espalier_db2"]


def test_a_promoted_replica_is_left_out(run: Run, environ: dict[str, str], primary: PostgreSQL):
    promoted = PostgreSQL()
    try:
        promoted.replica_of(primary)
        urls = f"{environ['ESPALIER_REPLICA_URLS']} db3={promoted.url('tiny', 'tiny')}"
        code = """
wait(lambda: len(watch().fresh()) == 2)
third = psycopg.connect(os.environ["THIRD"], autocommit=True)
third.execute("SELECT pg_promote()")
wait(lambda: watch().fresh() == ["espalier_db2"])
tell(watch().fresh())"""
        more = {**environ, "ESPALIER_REPLICA_URLS": urls, "THIRD": promoted.admin("tiny")}
        result = run("-c", f"{PRELUDE}\n{code}", **more)
        assert result.returncode == 0, result.stderr
        assert json.loads(result.stdout.splitlines()[-1]) == ["espalier_db2"]
    finally:
        promoted.remove()


def test_asgi(outcome: Any):
    code = """
import asyncio
from tiny.asgi import application
from django.test import AsyncClient
async def main():
    c = AsyncClient(raise_request_exception=False)
    seen = [(await c.get("/async/1000000")).json()["db"], (await c.get("/how/create")).json()["db"]]
    seen.append(COOKIE in c.cookies)
    replica.execute("SELECT pg_wal_replay_pause()")
    pk = (await c.post("/notes", {"text": "x"})).json()["pk"]
    seen.append((await c.get(f"/async/{pk}")).json()["db"])
    seen.append((await c.get("/how/raw")).json()["db"])
    return seen
tell(asyncio.run(main()))"""
    assert outcome(code, ESPALIER_INTERFACE="asgi") == [
        "espalier_db2",
        ["espalier_db2", "default"],
        True,
        "default",
        ["default"],
    ]


def test_the_pages_connections_are_django_s_and_the_watch_s_are_not(outcome: Any):
    code = """
get("/how/plain")
def names():
    return sorted(row[0] for row in replica.execute(
        "SELECT application_name FROM pg_stat_activity WHERE usename = 'tiny'"))
wait(lambda: len(names()) <= 2)  # the test before this one has gone
tell(names())"""
    assert outcome(code) == ["django", "espalier"]


def test_migrations_bypass_the_pooler(run: Run, environ: dict[str, str], tmp_path: Path):
    result = run(
        "-m",
        "espalier_overlay.migrate",
        **{
            **environ,
            "ESPALIER_DATABASE_URL": "postgresql://tiny@%2Fno%2Fsuch%2Fpool/tiny",
            "ESPALIER_DIRECT_DATABASE_URL": environ["ESPALIER_DATABASE_URL"],
            "ESPALIER_POOLER": "transaction",
        },
    )
    assert result.returncode == 0, result.stderr
