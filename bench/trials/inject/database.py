"""Limits of the database: a slow disk, an index that is gone."""

from __future__ import annotations

import base64
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic

from bench.trials.machines import Machines
from tests.steps import demand

SHIM = "/usr/local/lib/trials-fsync.so"


@contextmanager
def slow_fsync(machines: Machines, milliseconds: int) -> Iterator[None]:
    """Every fsync of PostgreSQL takes longer, by a library that is loaded before the others.

    What a device mapper would do needs a kernel that has one. Debian starts clusters with the
    variables in their file `environment`.
    """
    file = "$(echo /etc/postgresql/*/main)/environment"
    machine = machines.database
    try:
        _install(machines)
        machines.on(
            machine,
            f"cp {file} /root/trials-environment; "
            f"printf \"LD_PRELOAD = '{SHIM}'\\nFSYNC_MS = '{milliseconds}'\\n\" >> {file}",
        )
        machines.restart_database()
        took = _commit_seconds(machines)
        said = f"a commit takes {took * 1000:.0f} ms with fsyncs of {milliseconds} ms"
        demand(took >= milliseconds / 1000, said)
        yield
    finally:
        machines.on(
            machine, f"test ! -e /root/trials-environment || mv /root/trials-environment {file}"
        )
        machines.restart_database()


def _install(machines: Machines) -> None:
    """Build the library here, and put it on the machine."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    demand(compiler, "there is no C compiler: install gcc")
    built = machines.home / "fsync.so"
    source = str(Path(__file__).with_name("fsync.c"))
    subprocess.run([str(compiler), "-shared", "-fPIC", "-O", "-o", str(built), source], check=True)
    text = base64.b64encode(built.read_bytes()).decode()
    machines.on(machines.database, f"base64 -d > {SHIM} <<'END'\n{text}\nEND\nchmod 755 {SHIM}")


def _commit_seconds(machines: Machines) -> float:
    """Mean time of a commit that writes, of twenty in one session."""
    statements = ["CREATE TABLE IF NOT EXISTS trials_commit (id int)"]
    machines.sql(statements[0], "postgres")

    def timed(count: int) -> float:
        began = monotonic()
        machines.sql("INSERT INTO trials_commit VALUES (1);\n" * count, "postgres")
        return monotonic() - began

    seconds = timed(21) - timed(1)
    machines.sql("DROP TABLE trials_commit", "postgres")
    return seconds / 20


@contextmanager
def dropped_index(machines: Machines, table: str, column: str) -> Iterator[None]:
    """The indexes of a column are gone; what makes them again is taken from PostgreSQL first."""
    name, definitions = "", []
    found = machines.sql(
        f"SELECT indexrelid::regclass, pg_get_indexdef(indexrelid) FROM pg_index "
        f"WHERE indrelid = '{table}'::regclass AND NOT indisprimary "
        f"AND pg_get_indexdef(indexrelid) LIKE '%({column}%'"
    )
    for line in found.splitlines():
        name, _, definition = line.partition("|")
        definitions.append((name, definition))
    demand(definitions, f"{table} has no index of {column}")
    try:
        for name, _ in definitions:
            machines.sql(f"DROP INDEX {name}")
        plan = machines.sql(f"EXPLAIN SELECT * FROM {table} WHERE {column} = 'x'")
        demand("Seq Scan" in plan, f"it is found without a scan: {plan}")
        yield
    finally:
        for name, definition in definitions:
            machines.sql(f"DROP INDEX IF EXISTS {name}; {definition}")


@contextmanager
def is_set(machines: Machines, setting: str, most: int) -> Iterator[None]:
    """PostgreSQL has what the site's inputs say, at most so much."""
    said = machines.sql(f"SHOW {setting}")
    demand(int(said) <= most, f"{setting} is {said}")
    yield
