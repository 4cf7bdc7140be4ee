"""Migrations on a real PostgreSQL: taking turns, and not waiting for a busy table."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from overlay.tests.conftest import PROJECT, Run, command, environment
from overlay.tests.servers import INITDB, PostgreSQL

psycopg = pytest.importorskip("psycopg")

pytestmark = pytest.mark.skipif(not INITDB, reason="PostgreSQL is not installed")

# As main() does it, with pauses that a test can wait for.
IMPATIENT = (
    "import sys; from espalier_overlay.migrate import main;"
    "sys.exit(main(sys.argv[1:], pauses=(0.2, 0.2, 0.2)))"
)


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """Run a PostgreSQL; return its socket's directory."""
    postgresql = PostgreSQL()
    try:
        postgresql.create()
        yield str(postgresql.directory)
    finally:
        postgresql.remove()


@pytest.fixture
def database(server: str) -> Iterator[str]:
    """Return the connection string of a fresh database."""
    admin = f"host={server} user=postgres"
    with psycopg.connect(f"{admin} dbname=postgres", autocommit=True) as connection:
        connection.execute("DROP DATABASE IF EXISTS tiny WITH (FORCE)")
        connection.execute("CREATE DATABASE tiny")
    yield f"{admin} dbname=tiny"


@pytest.fixture
def environ(server: str, database: str) -> dict[str, str]:
    """Return what sends the tiny project to that database."""
    return {"ESPALIER_DATABASE_URL": f"postgresql://postgres@{quote(server, safe='')}/tiny"}


@pytest.fixture
def half_migrated(run: Run, environ: dict[str, str]) -> None:
    """Leave notes.0002, which alters a table, to apply."""
    assert run("manage.py", "migrate", "notes", "0001", **environ).returncode == 0
    assert run("manage.py", "migrate", "sessions", **environ).returncode == 0
    assert run("manage.py", "migrate", "contenttypes", **environ).returncode == 0


def test_migrate_then_ready(run: Run, environ: dict[str, str]):
    result = run("-m", "espalier_overlay.migrate", **environ)
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines()[-1].startswith("applied ")
    assert run("-m", "espalier_overlay.migrate", **environ).stdout == "nothing to migrate\n"
    code = (
        "import django; django.setup(); from django.test import Client;"
        "print(Client().get('/-/ready').status_code)"
    )
    assert run("-c", code, **environ).stdout == "200\n"


def test_two_at_once_take_turns(tmp_path: Path, environ: dict[str, str]):
    started = [
        subprocess.Popen(
            command("-m", "espalier_overlay.migrate"),
            env=environment(tmp_path, **environ),
            cwd=PROJECT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for _ in range(2)
    ]
    outputs = sorted(process.communicate(timeout=60)[0] for process in started)
    assert [process.returncode for process in started] == [0, 0], outputs
    last = sorted(output.splitlines()[-1].split()[0] for output in outputs)
    assert last == ["applied", "nothing"]


def test_waiting_for_another_migration_ends_in_a_sentence(
    run: Run, database: str, environ: dict[str, str]
):
    key = "('x' || substr(encode(sha256('espalier migrate'), 'hex'), 1, 16))::bit(64)::bigint"
    with psycopg.connect(database, autocommit=True) as other:
        other.execute(f"SELECT pg_advisory_lock({key})")
        result = run("-m", "espalier_overlay.migrate", "--wait", "1", **environ)
        pid = other.info.backend_pid
    assert result.returncode == 1
    assert "another migration of this database runs" in result.stdout
    assert f"still runs after 1 s (PostgreSQL process {pid}, from this machine" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.usefixtures("half_migrated")
def test_a_busy_table_is_given_up_in_a_sentence(run: Run, database: str, environ: dict[str, str]):
    with psycopg.connect(database) as other:
        other.execute("SELECT * FROM notes_note")  # an open transaction is enough
        result = run("-c", IMPATIENT, "--lock-timeout", "100ms", **environ)
        assert result.returncode == 1
        assert result.stdout.count("a table is busy for longer than 100ms") == 3
        assert "notes.0002_note_stars waited 100ms for a table" in result.stderr
        assert "Traceback" not in result.stderr
    assert run("-m", "espalier_overlay.migrate", **environ).returncode == 0


@pytest.mark.usefixtures("half_migrated")
def test_a_table_that_gets_free_is_migrated(tmp_path: Path, database: str, environ: dict[str, str]):
    with psycopg.connect(database) as other:
        other.execute("SELECT * FROM notes_note")
        process = subprocess.Popen(
            command("-c", IMPATIENT, "--lock-timeout", "100ms"),
            env=environment(tmp_path, **environ),
            cwd=PROJECT,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        seen = []
        for line in process.stdout:
            seen.append(line)
            if "trying again" in line:
                break
        assert "trying again" in seen[-1]
        other.rollback()
    rest = process.communicate(timeout=60)[0]
    assert process.returncode == 0
    assert rest.splitlines()[-1] == "applied 1 migration: notes.0002_note_stars"


def test_an_unreachable_database_is_a_sentence(run: Run):
    result = run(
        "-m",
        "espalier_overlay.migrate",
        ESPALIER_DATABASE_URL="postgresql://o:hunter2@%2Fno%2Fsuch/tiny",
    )
    assert result.returncode == 1
    assert "migrate: the database does not answer" in result.stderr
    assert "Traceback" not in result.stderr
    assert "hunter2" not in result.stderr


# --- the guard, and what runs alone


def test_guard_tells_what_the_live_code_could_not_live_with(
    run: Run, half_migrated: None, environ: dict[str, str]
):
    columns = json.loads(run("-m", "espalier_overlay.guard", "columns", **environ).stdout)
    columns["tables"]["notes_note"].remove("stars")
    columns["migrations"].remove("notes.0002_note_stars")

    def ask(command: str) -> list[dict[str, object]]:
        code = "import sys, runpy; sys.argv = ['guard', sys.argv[1]]; import io; "
        code += f"sys.stdin = io.StringIO({json.dumps(columns)!r}); "
        code += "runpy.run_module('espalier_overlay.guard', run_name='__main__')"
        done = run("-c", code, command, **environ)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    (verdict,) = ask("check")
    assert verdict["migration"] == "notes.0002_note_stars"
    assert [one["code"] for one in verdict["issues"]] == ["NOT_NULL"]
    assert verdict["locks"][0]["lock"] == "ACCESS EXCLUSIVE"
    assert ask("beyond") == []  # not applied yet
    assert run("-m", "espalier_overlay.migrate", **environ).returncode == 0
    assert ask("check") == []
    assert [one["migration"] for one in ask("beyond")] == ["notes.0002_note_stars"]


PAST = """
import django, json
from espalier_overlay import guard
django.setup()
guard.judge = lambda *given: [guard._issue(code, "x") for code in ("ADD_UNIQUE", "DROP_COLUMN")]
print(json.dumps(guard.verdicts({"tables": {}, "migrations": []}, beyond=%s)))
"""


def test_rollback_is_not_refused_for_a_lock_that_is_past(run: Run, environ: dict[str, str]):
    def codes(beyond: bool) -> list[str]:
        (*_, last) = json.loads(run("-c", PAST % beyond, **environ).stdout)
        return [one["code"] for one in last["issues"]]

    assert codes(beyond=False) == ["ADD_UNIQUE", "DROP_COLUMN"]
    assert run("-m", "espalier_overlay.migrate", **environ).returncode == 0
    assert codes(beyond=True) == ["DROP_COLUMN"]


UNREADABLE = """
from espalier_overlay import guard
import django; django.setup()
from django.db import connection, migrations, models
from django.db.migrations.loader import MigrationLoader

class Migration(migrations.Migration):
    dependencies = [("notes", "0002_note_stars")]
    operations = [%s]

class Unreadable(migrations.%s):
    def database_forwards(self, *arguments):
        raise ValueError("Found wrong number (0) of constraints")

Migration.operations.insert(1, Unreadable(%s))
loader = MigrationLoader(None)
one = Migration("0003_x", "notes")
loader.graph.add_node(("notes", "0003_x"), one)
loader.graph.add_dependency(one, ("notes", "0003_x"), ("notes", "0002_note_stars"))
verdict = guard._verdict(
    loader, connection, one, {"notes_note": ["id", "text", "stars"]}, guard.Database(connection)
)
import json; print(json.dumps(verdict))
"""


@pytest.mark.parametrize(
    ("unreadable", "arguments", "codes"),
    [
        ("RemoveField", "'note', 'text'", ["UNKNOWN"]),
        ("RunSQL", "'alter table notes_note ...', ''", ["UNKNOWN"]),
        # As in third-party apps, whose constraint an earlier pending migration makes.
        ("AlterUniqueTogether", "'note', {('text', 'stars')}", []),
    ],
)
def test_operation_whose_sql_nobody_can_tell_hides_no_other(
    run: Run, environ: dict[str, str], unreadable: str, arguments: str, codes: list[str]
):
    assert run("-m", "espalier_overlay.migrate", **environ).returncode == 0
    others = "migrations.RemoveField('note', 'stars')"
    if unreadable == "AlterUniqueTogether":
        others = "migrations.AlterField('note', 'stars', models.TextField())"
    done = run("-c", UNREADABLE % (others, unreadable, arguments), **environ)
    assert done.returncode == 0, done.stderr
    verdict = json.loads(done.stdout)
    expected = "ALTER_COLUMN" if unreadable == "AlterUniqueTogether" else "DROP_COLUMN"
    assert [one["code"] for one in verdict["issues"]] == [expected, *codes]
    assert "Found wrong number (0) of constraints" in verdict["unknown"]


def test_one_of_two_runs_and_the_other_takes_over(tmp_path: Path, environ: dict[str, str]):
    shell = ["sh", "-c", "echo began; exec sleep 60"]
    started = [
        subprocess.Popen(
            command("-u", "-m", "espalier_overlay.run_exclusive", "beat", "--", *shell),
            env=environment(tmp_path, **environ),
            cwd=PROJECT,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    first = {job: job.stdout.readline() for job in started}
    assert sorted(first.values()) == ["beat runs on another machine; waiting\n", "began\n"]
    runs = next(job for job, line in first.items() if line == "began\n")
    waits = next(job for job in started if job is not runs)
    runs.terminate()
    assert runs.wait(10) != 0
    assert waits.stdout.readline() == "began\n"
    waits.terminate()
    waits.wait(10)
