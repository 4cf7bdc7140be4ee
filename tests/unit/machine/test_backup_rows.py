"""How many rows a table has: counted, sampled, and written down in a real cluster."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from espalier_machine.common.owner import OWNER, as_owner
from espalier_machine.database_backup import rows, sql
from espalier_machine.database_backup.errors import BackupError

from .backups import CONFIG, Programs, here

PROGRAMS = sorted(Path("/usr/lib/postgresql").glob("*/bin"))


@pytest.mark.parametrize(
    ("copy", "live", "expected"),
    [
        ({}, {}, []),
        ({"public.a": 5}, {"public.a": 5}, []),
        # The site goes on writing meanwhile: a thousand rows, or a tenth.
        ({"public.a": 0}, {"public.a": 1000}, []),
        ({"public.a": 2001}, {"public.a": 1000}, ["public.a has 2001 rows, and 1000 live"]),
        ({"public.a": 90_000}, {"public.a": 100_000}, []),
        ({"public.a": 110_000}, {"public.a": 100_000}, []),
        ({"public.a": 89_999}, {"public.a": 100_000}, ["public.a has 89999 rows, and 100000 live"]),
        ({}, {"public.a": 0, "b.c": 1}, ["public.a is not there", "b.c is not there"]),
        # Dropped since, or made by nobody who is asked.
        ({"public.a": 5}, {}, []),
    ],
)
def test_rows_of_the_copy_and_of_the_site(
    copy: dict[str, int], live: dict[str, int], expected: list[str]
) -> None:
    assert rows.compare(copy, live) == expected


def test_tables_are_counted_one_by_one_at_a_cluster_s_own_socket(programs: Programs) -> None:
    programs.answers = {"\nSELECT n.nspname": "a\x1fb\x1f7\n", "SELECT count(*)": "8\n"}
    assert rows.count("shop", "/copy") == {"a.b": 8}
    assert programs.ran()[1] == (
        "psql -XAtq -v ON_ERROR_STOP=1 -v VERBOSITY=terse -F \x1f -h /copy -U postgres -d shop "
        '-c SELECT count(*) FROM ONLY "a"."b"'
    )


def test_large_table_of_the_site_is_read_in_part(programs: Programs) -> None:
    sizes = f"a\x1fsmall\x1f{rows.SAMPLE}\na\x1flarge\x1f{40 * rows.SAMPLE}\n"
    programs.answers = {"\nSELECT n.nspname": sizes, "SELECT count(*)": ["8\n", "250003\n"]}
    assert rows.of_site(CONFIG, "/copy", 0).rows == {"a.small": 8, "a.large": 10_000_120}
    assert [call[-1] for call in programs.calls[1:]] == [
        'SELECT count(*) FROM ONLY "a"."small"',
        'SELECT count(*) FROM ONLY "a"."large" TABLESAMPLE SYSTEM (2.500000)',
    ]


def test_rows_that_cannot_be_written_down(tmp_path: Path, programs: Programs) -> None:
    programs.answers = {"-f": (3, "", "psql: cannot execute CREATE TABLE in a read-only\n")}
    with pytest.raises(BackupError, match="cannot be written down: psql: cannot execute CREATE"):
        rows.write(here(tmp_path))


@pytest.fixture
def cluster() -> Iterator[str]:
    """The directory of the socket of a PostgreSQL with the database `shop`."""
    if not PROGRAMS:
        pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
    # Not pytest's, which is closed to PostgreSQL's user.
    place = Path(tempfile.mkdtemp())
    shutil.chown(place, *[OWNER] * 2) if as_owner() else None
    data, programs = str(place / "data"), PROGRAMS[-1]

    def run(*words: str) -> None:
        subprocess.run(words, check=True, capture_output=True, **as_owner())

    run(str(programs / "initdb"), "-D", data, "-U", OWNER, "-A", "trust", "-N")
    options = f"-c listen_addresses= -c fsync=off -k {place}"
    run(str(programs / "pg_ctl"), "-D", data, "-w", "-l", f"{data}/log", "-o", options, "start")
    try:
        sql.ask("CREATE DATABASE shop", host=str(place))
        yield str(place)
    finally:
        run(str(programs / "pg_ctl"), "-D", data, "-m", "immediate", "stop")
        shutil.rmtree(place)


def test_primary_writes_its_rows_down_and_a_copy_has_them(
    monkeypatch: pytest.MonkeyPatch, cluster: str
) -> None:
    monkeypatch.setattr(rows, "STATE", Path(cluster))
    strange = "a \\ 'b' \"\t"
    sql.ask(
        f"CREATE TABLE {sql.quoted(strange)} AS SELECT generate_series(1, 3) i", "shop", cluster
    )
    sql.ask("CREATE TABLE wide AS SELECT generate_series(1, 100000) i", "shop", cluster)
    sql.ask("DELETE FROM wide WHERE i % 100 < 90", "shop", cluster)
    assert rows.written(cluster) == rows.NONE
    for extra in (0, 1):
        began = time.time()
        sql.ask(f"INSERT INTO wide SELECT generate_series(1, {extra})", "shop", cluster)
        assert rows.write(CONFIG, cluster) == {"tables": 2, "rows": 10_003 + extra}
        found = rows.written(cluster)
        assert found.rows == {f"public.{strange}": 3, "public.wide": 10_000 + extra}
        assert began <= found.at <= time.time()
    # Nothing of it is in the site's own database.
    assert list(rows.count("shop", cluster)) == list(found.rows)
    # A fifth of its 443 pages tells what is in all of them, give or take six times the error.
    sample = int(sql.one("SELECT pg_relation_size('wide')", "shop", cluster)) // 5
    guesses = [rows.count("shop", cluster, sample)["public.wide"] for _ in range(5)]
    assert all(abs(guess - 10_001) < 6000 for guess in guesses)
    assert set(guesses) != {10_001}
