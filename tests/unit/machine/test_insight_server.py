"""A real PostgreSQL is looked at: what its sessions do, its statements, and an index for one."""

from __future__ import annotations

import select
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from espalier_machine.insight import index, statements
from espalier_machine.insight.activity import Activity
from espalier_machine.insight.postgresql import Postgresql, connect
from espalier_machine.insight.protocol import Answer, SessionError
from overlay.tests.servers import INITDB, PostgreSQL, go_on, hang

pytestmark = pytest.mark.skipif(not INITDB, reason="PostgreSQL is not installed")

HYPOPG = Path(INITDB[-1].parents[1].name if INITDB else "")
EXTENSION = Path(f"/usr/share/postgresql/{HYPOPG}/extension/hypopg.control")
SETTINGS = """
shared_preload_libraries = 'pg_stat_statements'
track_io_timing = on
track_wal_io_timing = on
"""
TABLE = """
CREATE EXTENSION pg_stat_statements;
CREATE ROLE site SUPERUSER;
CREATE TABLE tree (id int PRIMARY KEY, species text, height int, planted timestamptz);
INSERT INTO tree SELECT n, 'species ' || n % 5000, n % 97, now() FROM generate_series(1, 50000) n;
ANALYZE tree;
"""


@pytest.fixture(scope="module")
def server() -> Iterator[PostgreSQL]:
    made = PostgreSQL()
    try:
        made.command("initdb", "-D", made.data, "-U", "postgres", "-A", "trust", "--no-sync")
        with (made.data / "postgresql.conf").open("a") as file:
            file.write(SETTINGS)
        made.start()
        run(made, TABLE)
        yield made
    finally:
        made.remove()


def psql(server: PostgreSQL, statement: str) -> subprocess.Popen[str]:
    words = ["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", server.admin(), "-c", statement]
    return subprocess.Popen(words, stdout=subprocess.PIPE, text=True)


def run(server: PostgreSQL, statement: str) -> None:
    done = psql(server, statement)
    assert done.communicate(timeout=60) and done.returncode == 0


def watch(looked: Postgresql, seconds: float = 1.0) -> None:
    """Look ten times a second, and ask for the counters at the end."""
    end = time.monotonic() + seconds
    asked = False
    while (left := end - time.monotonic()) > 0:
        looked.look()
        if left < 0.2 and not asked:
            looked.ask_counters()
            asked = True
        until = time.monotonic() + 0.1
        while (wait := until - time.monotonic()) > 0:
            if looked.session and select.select([looked.session], [], [], wait)[0]:
                looked.receive()
            elif not looked.session:
                time.sleep(wait)


def test_sessions_locks_and_counters_are_told_without_literals(server: PostgreSQL) -> None:
    errors: list[str] = []
    looked = Postgresql("postgres", errors, server.directory)
    holds = psql(
        server, "BEGIN; UPDATE tree SET height = 4711 WHERE id = 17 AND 1 = 1; SELECT pg_sleep(4)"
    )
    time.sleep(0.5)
    waits = [psql(server, "UPDATE tree SET height = 1 WHERE id = 17") for _ in range(2)]
    try:
        watch(looked, 0.6)
        looked.second(0.6)
        watch(looked, 1.0)
        found = looked.second(1.0)
    finally:
        for one in (holds, *waits):
            one.wait(timeout=30)
            assert one.stdout
            one.stdout.close()
    seen = found["postgresql"]
    assert seen["active"] == pytest.approx(3, abs=0.3)
    assert seen["connections"] == pytest.approx(3, abs=0.3)
    waits_for = {name.split(":")[0] for name in seen["waits"]}
    assert waits_for == {"Lock", "Timeout"}
    assert seen["waits"]["Timeout:PgSleep"] == pytest.approx(1, abs=0.2)
    (holder,) = seen["blocked_by"]
    assert seen["blocked_by"][holder] == pytest.approx(2, abs=0.2)
    assert "UPDATE tree SET height = ? WHERE id = ?" in holder and "4711" not in holder
    assert errors == []

    run(server, "INSERT INTO tree SELECT n, 'new', 1, now() FROM generate_series(60001, 61000) n")
    watch(looked, 2.0)
    after = looked.second(2.0)["postgresql"]
    assert after["commits"] >= 0.5
    assert after["rows_written"] == pytest.approx(1002 / 2, abs=2)
    assert after["wal_mb"] > 0
    assert after["sync_seconds"] is not None
    assert looked.version == int(str(HYPOPG))
    assert looked.settings["max_connections"] == "100"
    looked.close()


def test_own_looks_are_not_counted(server: PostgreSQL) -> None:
    looked = Postgresql("postgres", [], server.directory)
    watch(looked, 1.0)
    seen = looked.second(1.0)["postgresql"]
    assert (seen["active"], seen["connections"], seen["waits"]) == (0, 0, {})
    looked.close()


def test_statements_are_differences_with_their_origins(server: PostgreSQL) -> None:
    looked = Postgresql("postgres", [], server.directory)
    session = connect("postgres", server.directory)
    before = statements.totals(session)
    comment = "/* espalier request=0123abcd view=garden:tree at=garden/views.py:31 */"
    slow = f"SELECT count(*), pg_sleep(1) FROM tree WHERE species = 'secret' {comment}"
    asked = psql(server, f"SET ROLE site; {slow}")
    watch(looked, 1.5)
    asked.communicate(timeout=30)
    run(server, "SET ROLE site; UPDATE tree SET height = height WHERE id = 5")
    run(server, "SELECT max(height) FROM tree")  # the administrator's, which is not the site's
    took = statements.grown(before, statements.totals(session))
    texts = statements.texts(session, list(took))
    told = statements.told(took, texts, looked.activity.origins, {})
    slowest = told[0]
    assert slowest["text"] == "SELECT count(*), pg_sleep($1) FROM tree WHERE species = $2"
    assert slowest["calls"] == 1 and slowest["seconds"] == pytest.approx(1.0, abs=0.3)
    assert slowest["reads"] and slowest["blocks_hit"] + slowest["blocks_read"] > 100
    assert slowest["origins"] == {"garden:tree at garden/views.py:31": 1}
    update = next(one for one in told if one["text"].startswith("UPDATE"))
    assert (update["reads"], update["calls"], update["rows"]) == (False, 1, 1)
    assert [one["text"] for one in told if "max(height)" in one["text"]] == []
    session.close()
    looked.close()


@pytest.mark.skipif(not EXTENSION.exists(), reason="hypopg is not installed")
def test_index_is_found_where_it_helps_and_only_there(
    server: PostgreSQL, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(server, "CREATE EXTENSION IF NOT EXISTS hypopg")
    session = connect("postgres", server.directory)
    helped = "SELECT * FROM tree WHERE species = $1 AND height > $2 ORDER BY planted LIMIT $3"
    newest = "SELECT id FROM tree ORDER BY planted DESC LIMIT 10"
    texts = {
        "1": helped,
        "2": "SELECT * FROM tree WHERE species LIKE '%' || $1",
        "3": "SELECT * FROM tree WHERE lower(species) = $1",
        "4": newest,
        "5": "SELECT * FROM tree WHERE id = $1",
        # Each of half the rows: an index would save a little.
        "6": "SELECT * FROM tree WHERE height > $1",
    }
    took = {one: statements.Totals(calls=10, seconds=1.0) for one in texts}
    monkeypatch.setattr(index, "SHARE", 0.1)
    monkeypatch.setattr(index, "MOST", 6)
    errors: list[str] = []
    found = index.find(session, took, texts, errors)
    assert {one: its["statement"] for one, its in found.items()} == {
        "1": 'CREATE INDEX CONCURRENTLY ON "tree" ("species", "planted")',
        "4": 'CREATE INDEX CONCURRENTLY ON "tree" ("planted" DESC)',
    }
    assert found["1"]["cost_with"] < found["1"]["cost"] / 2
    assert errors == []
    assert session.ask("SELECT count(*) FROM pg_indexes WHERE tablename = 'tree'").rows == [["1"]]
    session.close()


@pytest.mark.parametrize("version", ["1.8", "1.9", "1.10"])
def test_statements_are_told_by_an_extension_that_was_not_upgraded(
    server: PostgreSQL, version: str
) -> None:
    name = f"old_{version.replace('.', '_')}"
    run(server, f"CREATE DATABASE {name}")
    session = connect("postgres", server.directory)
    other = ["psql", "-XAtq", server.admin(name), "-c"]
    made = f"CREATE EXTENSION pg_stat_statements VERSION '{version}'"
    subprocess.run([*other, made], check=True)
    subprocess.run(
        [*other, "SET ROLE site; SELECT count(*) FROM pg_class"], check=True, capture_output=True
    )
    session.close()
    session = connect(name, server.directory)
    found = statements.texts(session, list(statements.totals(session)))
    assert "SELECT count(*) FROM pg_class" in found.values()
    session.close()


def test_origin_is_a_line_of_the_project_and_counts_requests_once() -> None:
    seen = Activity()
    answer = Answer()
    comments = (
        "request=a view=shop:cart at=shop/views.py:7 ",
        "request=a view=shop:cart at=shop/views.py:7 ",
        "request=b view=shop:cart at=shop/views.py:7 ",
        "request=c view= at= ",
    )
    answer.rows = [["4", "0", None, None], *(["9", "CPU", "17", one] for one in comments)]
    assert not seen.look(answer)
    assert seen.origins("17") == {"shop:cart at shop/views.py:7": 2}
    assert seen.origins("18") == {}


def test_growth_is_without_what_was_before() -> None:
    before = {"1": statements.Totals(10, 5.0, 100, 7, 3, 0.5), "2": statements.Totals(9, 9.0)}
    after = {
        "1": statements.Totals(14, 7.0, 140, 17, 4, 0.75),
        "2": statements.Totals(2, 1.0),  # its counters began anew
        "3": statements.Totals(1, 4.0),
        "4": statements.Totals(0, 0.0),
    }
    assert list(statements.grown(before, after).items()) == [
        ("3", statements.Totals(1, 4.0)),
        ("1", statements.Totals(4, 2.0, 40, 10, 1, 0.25)),
        ("2", statements.Totals(2, 1.0)),
    ]


@pytest.mark.parametrize(
    ("text", "reads"),
    [
        ("/* espalier */ SELECT 1 FROM t", True),
        ("(SELECT 1) UNION (SELECT 2)", True),
        ("WITH a AS (SELECT 1) SELECT * FROM a", True),
        ("SELECT * FROM t WHERE note = 'FOR UPDATE'", True),
        ("SELECT * FROM t FOR NO KEY UPDATE OF t SKIP LOCKED", False),
        ("select * from t for share", False),
        ("WITH a AS (DELETE FROM t RETURNING *) SELECT * FROM a", False),
        ("INSERT INTO t SELECT 1", False),
    ],
)
def test_a_statement_reads_only_where_a_replica_could_answer_it(text: str, reads: bool) -> None:
    assert statements.is_read(text) == reads


def test_of_several_statements_the_last_ones_rows_are_the_answer(server: PostgreSQL) -> None:
    session = connect("postgres", server.directory)
    answer = session.ask("SELECT 1 AS a; SELECT NULL AS b, 'x\ny|z' AS c")
    assert answer.records() == [{"b": None, "c": "x\ny|z"}]
    session.close()


def test_column_that_postgresql_17_renamed() -> None:
    assert "sum(shared_blk_read_time)" in statements.query((1, 11), "public")
    assert "sum(blk_read_time)" in statements.query((1, 10), "public")


def test_nothing_can_be_changed(server: PostgreSQL) -> None:
    session = connect("postgres", server.directory)
    with pytest.raises(SessionError, match="read-only"):
        session.ask("DELETE FROM tree")
    session.close()


def test_database_that_hangs_does_not_hang_the_recording(
    server: PostgreSQL, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("espalier_machine.insight.protocol._SILENCE", 0.5)
    monkeypatch.setattr("espalier_machine.insight.postgresql.AGAIN", 0.5)
    errors: list[str] = []
    looked = Postgresql("postgres", errors, server.directory)
    session = looked.session
    assert session
    own = int(session.ask("SELECT pg_backend_pid()").rows[0][0] or 0)
    hang(own)
    try:
        began = time.monotonic()
        watch(looked, 0.8)
        assert time.monotonic() - began < 1.5
    finally:
        go_on(own)
    assert errors == ["PostgreSQL was not asked for a while: no answer within 0.5 s."]
    time.sleep(0.5)
    watch(looked, 0.5)
    assert looked.second(1.0)["postgresql"]["active"] == 0
    looked.close()
