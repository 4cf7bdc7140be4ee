"""What archiving costs writes, and how many seconds of them are not at the destination yet."""

from __future__ import annotations

import re
import statistics
import subprocess
import time
from dataclasses import dataclass

from bench.backup_figures import rate, ratios, window
from bench.backup_lab import SEGMENT_MB, SITE, Bench
from espalier_machine.database_backup.timelines import SEGMENT, lsn, start
from tests.steps import SSH, demand

ROUNDS = 5
TRICKLE = 300  # seconds
DATABASE = "bench"
# Rows of bytes that do not compress, from a table that is larger than what zstd looks back.
BULK_ROWS = 2000
TABLES = """
CREATE TABLE source AS
SELECT id, (SELECT string_agg(uuid_send(gen_random_uuid()), ''::bytea)
            FROM generate_series(1, 16 + (id % 2)::int)) AS content
FROM generate_series(1, 40000) id;
CREATE UNIQUE INDEX ON source (id);
CREATE TABLE bulk (id bigint, content bytea);
VACUUM ANALYZE source;
"""
BULK = f"""\\set first random(1, {40000 - BULK_ROWS})
INSERT INTO bulk SELECT id, content FROM source
WHERE id BETWEEN :first AND :first + {BULK_ROWS - 1};
"""


@dataclass(frozen=True)
class Writes:
    """Something to write: pgbench's option, rows a commit, clients, and seconds of a round."""

    name: str
    script: str
    rows: int
    clients: int
    seconds: int


LOADS = (
    Writes("small commits (pgbench -N)", "--builtin=simple-update", 1, 4, 30),
    Writes("bulk inserts (2,000 rows a commit)", "--file=/tmp/bulk.sql", BULK_ROWS, 2, 10),
)


def measure_writes(bench: Bench) -> list[tuple[str, str]]:
    """Writes per second with WAL copied, against the command that does nothing; gives rows."""
    bench.converge("/writes")
    bench.pause()
    bench.sql(f"CREATE DATABASE {DATABASE}", "postgres")
    bench.sql(TABLES, DATABASE)
    bench.on(f"cat > /tmp/bulk.sql <<'END'\n{BULK}END")
    pgbench(bench, "--initialize", "--scale=10", "--quiet")
    found = [row for load in LOADS for row in _compare(bench, load)]
    bench.sql(f"DROP DATABASE {DATABASE}", "postgres")
    return found


def pgbench(bench: Bench, *words: str) -> str:
    """Run it on the site's machine; gives what it wrote."""
    program = "runuser -u postgres -- /usr/lib/postgresql/*/bin/pgbench"
    return bench.on(f"cd /tmp && {program} {' '.join(words)} {DATABASE} 2>&1")


def _compare(bench: Bench, load: Writes) -> list[tuple[str, str]]:
    words = (load.script, f"--client={load.clients}", f"--time={load.seconds}", "--no-vacuum")
    pairs, wal, left, drained = [], [], [], []
    for number in range(ROUNDS + 1):
        speeds = []
        for is_real in (False, True):
            bench.archive(is_real=is_real)
            bench.sql("TRUNCATE bulk, pgbench_history; CHECKPOINT", DATABASE)
            bench.drain()
            began = lsn(bench.sql("SELECT pg_current_wal_insert_lsn()"))
            speeds.append(rate(pgbench(bench, *words)) * load.rows)
            written = lsn(bench.sql("SELECT pg_current_wal_insert_lsn()")) - began
            if is_real and number:
                wal.append(written / load.seconds / 1e6)
                left.append(bench.waiting())
                drained.append(bench.drain())
        said = f"nothing {speeds[0]:.0f}, copied {speeds[1]:.0f} rows/s"
        bench.lab.say(f"{load.name}: {said}{'' if number else ' (warms up)'}")
        if number:  # the first round warms up
            pairs.append((speeds[0], speeds[1]))
    medians = [statistics.median(side) for side in zip(*pairs, strict=True)]
    speed = f"{medians[0]:.0f} and {medians[1]:.0f} rows/s"
    behind = f"{statistics.median(left):.0f} segments ({max(left) * SEGMENT_MB:.0f} MB at most)"
    return [
        (f"writes while WAL is copied, {load.name}", f"**{ratios(pairs)}** ({speed})"),
        (
            f"WAL of that: written, and left to copy after {load.seconds} s",
            f"{statistics.median(wal):.1f} MB/s; {behind}, copied {max(drained):.0f} s later",
        ),
    ]


def measure_window(bench: Bench) -> list[tuple[str, str]]:
    """Seconds of acknowledged rows that a machine would take with it, under a few rows a second."""
    if bench.path != "/writes":
        bench.converge("/writes")
        bench.pause()
    bench.archive(is_real=True)
    bench.sql("CREATE TABLE IF NOT EXISTS trickle (id bigint GENERATED ALWAYS AS IDENTITY)")
    bench.finish_segment()
    rows = _trickle(bench)
    # What came last may be on its way: a moment counts if its rows could have come.
    found = window(rows, arrivals(bench, rows[0][0]))
    demand(len(found) > TRICKLE, f"WAL came too late to count: {len(found)} moments")
    middle = statistics.median(found)
    return [
        (
            f"acknowledged rows that are not at the destination, 4 rows/s for {TRICKLE} s",
            f"worst **{max(found):.0f} s**, median {middle:.0f} s",
        )
    ]


def _trickle(bench: Bench) -> list[tuple[float, int]]:
    """Write; gives when each row was acknowledged, and where it ends in the WAL."""
    ask = f"runuser -u postgres -- psql -XAtq -d {SITE}"
    rows = []
    insert = "INSERT INTO trickle DEFAULT VALUES; SELECT pg_current_wal_insert_lsn();\n"
    job = subprocess.Popen(
        [*SSH, f"root@{bench.address}", ask],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        bufsize=1,
    )
    assert job.stdin and job.stdout
    try:
        until = time.monotonic() + TRICKLE
        while time.monotonic() < until:
            job.stdin.write(insert)
            position = job.stdout.readline().strip()
            rows.append((time.time(), lsn(position)))
            time.sleep(0.25)
    finally:
        job.kill()
        job.wait()
    return rows


def arrivals(bench: Bench, since: float) -> list[tuple[float, int]]:
    """When each segment came to the destination since a moment, and the position where it ends.

    The last change of the file counts, by this machine's clock, which the rows are told by too.
    """
    named = re.compile(r"([0-9A-F]{24})-[0-9a-f]{40}")
    files = [(named.match(path.name), path) for path in (bench.folder / "archive").rglob("*")]
    found = [(path.stat().st_ctime, start(name[1]) + SEGMENT) for name, path in files if name]
    return sorted(one for one in found if one[0] >= since)
