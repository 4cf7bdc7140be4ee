"""Migrations on a real PostgreSQL: taking turns, and not waiting for a busy table."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from conftest import PROJECT, Run, command, environment
from servers import INITDB, PostgreSQL

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
