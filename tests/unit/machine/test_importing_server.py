"""What is done with the database server: a dump is loaded by nobody else, and what began ends."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from espalier_machine.importing import cli, target
from espalier_machine.importing.errors import ImportingError

# The command line with one command, which writes the process id of a child's child, and waits.
WAITING = """
import sys
from espalier_machine.importing import cli, postgresql
folder = {folder!r}
def load(folder, **arguments):
    try:
        postgresql.run(folder, ["sh", "-c", "sleep 60 & echo $! > ../pid; wait"], "it failed")
    finally:
        (folder / "../cleaned").touch()
cli.COMMANDS = {{"load": load}}
sys.argv = [folder + "/importing.pyz", "load"]
sys.exit(cli.main())
"""


@pytest.mark.parametrize("is_silent", [False, True])
def test_what_was_begun_ends_with_whoever_asked_for_it(tmp_path: Path, is_silent: bool) -> None:
    (tmp_path / "import").mkdir()
    script = WAITING.format(folder=str(tmp_path / "import"))
    if is_silent:
        script = f"from espalier_machine.common import lifeline\nlifeline.SILENCE = 1\n{script}"
    job = subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE)
    assert job.stdin
    job.stdin.write(b"{}\n")
    job.stdin.flush()
    deadline = time.monotonic() + 10
    while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text().strip():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    if not is_silent:
        job.stdin.close()
    assert job.wait(10) == 1
    assert (tmp_path / "cleaned").exists(), "the command cleans up before it ends"
    assert not (tmp_path / "import").exists()
    child = Path("/proc", (tmp_path / "pid").read_text().strip(), "stat")
    assert not child.exists() or child.read_text().split()[2] == "Z"


POOLER = ("DROP SCHEMA IF EXISTS espalier_pooler CASCADE", "nspname = 'espalier_pooler'")


class Server:
    """Stands for PostgreSQL: notes what it is asked, and by whom; fails at a word."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, fails: str = "(never)") -> None:
        """Take the place of psql and of the other programs."""
        self.asked: list[tuple[str, str]] = []
        self.fails = fails
        monkeypatch.setattr(target, "run", self.run)
        monkeypatch.setattr(target, "psql", self.psql)
        monkeypatch.setattr(target, "extension_tables", lambda folder, database: [])

    def psql(
        self,
        folder: Path,
        database: str,
        script: str,
        what: str,
        login: Mapping[str, str] | None = None,
    ) -> list[list[str]]:
        """Note a script."""
        self.note(script, login)
        return []

    def run(
        self,
        folder: Path,
        argv: list[str],
        what: str,
        stdin: str | None = None,
        login: Mapping[str, str] | None = None,
    ) -> str:
        """Note a program."""
        self.note(" ".join([*argv, stdin or ""]), login)
        return "psql (PostgreSQL) 15.8 (Debian 15.8-0+deb12u1)"

    def note(self, what: str, login: Mapping[str, str] | None) -> None:
        """Note what is asked, and by whom."""
        self.asked.append(((login or {}).get("PGUSER", "postgres"), what))
        if self.fails in what:
            raise ImportingError("it failed")

    def load(self, folder: Path) -> None:
        """Load a dump as SQL."""
        names = [{"name": 'a"b;', "schema": "x y"}, {"name": "citext", "schema": ""}]
        target.load(folder, kind="sql", owner="shop", database="shop_import", extensions=names)


def test_dump_is_loaded_by_a_login_that_is_nobody_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = Server(monkeypatch)
    server.load(tmp_path)
    (by,) = [who for who, what in server.asked if "clean.sql" in what]
    assert by == "espalier_import"
    # What reads rows runs functions of the dump's.
    assert {who for who, what in server.asked if "ANALYZE" in what or "count(*)" in what} == {by}
    # In a dump, the rows of a table that inherits are not those of the other one too.
    assert all("count(*) FROM ONLY" in what for _, what in server.asked if "count(*)" in what)
    assert not any(f"TO {by}" in what for _, what in server.asked if "GRANT shop" in what)
    assert any("REASSIGN OWNED BY espalier_import" in what for _, what in server.asked)
    done = [what for _, what in server.asked]
    room, found = (next(n for n, what in enumerate(done) if word in what) for word in POOLER)
    assert next(n for n, what in enumerate(done) if "clean.sql" in what) < room < found
    (extensions,) = [what for _, what in server.asked if "CREATE EXTENSION" in what]
    assert 'CREATE EXTENSION IF NOT EXISTS "a""b;" WITH SCHEMA "x y";' in extensions
    assert 'CREATE EXTENSION IF NOT EXISTS "citext";' in extensions


def test_database_that_no_import_has_made_is_not_dropped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = Server(monkeypatch)
    server.load(tmp_path)
    made = next(what for _, what in server.asked if "CREATE DATABASE" in what)
    mark = "COMMENT ON DATABASE \"shop_import\" IS 'loaded by espalier import';"
    assert made.index("CREATE ROLE") < made.index("CREATE DATABASE") < made.index(mark)
    monkeypatch.setattr(target, "psql", lambda *asked: [["1"]])  # each question has an answer
    with pytest.raises(ImportingError, match="has a database shop_import already"):
        target.look(tmp_path, "shop", "shop_import", rows=False)


@pytest.mark.parametrize("fails", ["CREATE EXTENSION", "clean.sql", "REASSIGN"])
def test_load_that_fails_leaves_no_database_and_no_login(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: str
) -> None:
    server = Server(monkeypatch, fails)
    with pytest.raises(ImportingError):
        server.load(tmp_path)
    assert "DROP DATABASE" in server.asked[-1][1]
    assert "DROP ROLE" in server.asked[-1][1]


def test_sql_is_given_to_a_psql_that_runs_no_commands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Server(monkeypatch)
    (tmp_path / "dump").write_bytes(b"/* '\n*/\n\\! id\n/* ' */\n")  # a comment, not a text
    keys = set()
    for _ in range(2):
        cli.inspect(tmp_path, "sql")
        first, *_, last = (tmp_path / "clean.sql").read_text().splitlines()
        assert first.split()[0] == r"\restrict"
        assert last == rf"\unrestrict {first.split()[1]}"
        keys.add(first)
    assert len(keys) == 2, "no dump can know it"


def test_psql_that_cannot_be_restricted_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Server(monkeypatch, r"\restrict")
    with pytest.raises(ImportingError, match=r"psql 15\.8 .*--only-upgrade postgresql-client-15"):
        target.require_restrict(tmp_path)
