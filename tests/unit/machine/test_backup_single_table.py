"""One table of a moment comes back beside the live one, by two real PostgreSQLs."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from espalier_machine.database_backup import (
    catalog,
    restore,
    single_table,
    sql,
    table_copy,
    throwaway,
)
from espalier_machine.database_backup.catalog import Table
from espalier_machine.database_backup.errors import BackupError
from espalier_machine.database_backup.table_copy import Column
from espalier_machine.database_backup.target import Target
from overlay.tests.servers import INITDB, PostgreSQL

from .backups import CONFIG, here

with_postgresql = pytest.mark.skipif(not INITDB, reason="PostgreSQL is not installed")
AT = 1795874580.0  # 2026-11-28 14:03:00 UTC
WHAT = "as it was at 2026-11-28 14:03:00.000000+00"
TARGET = Target("time", "2026-11-28 14:03:00+00", True, 1, True, "20261128-000000F", AT, WHAT)
SCHEMA = """
CREATE SCHEMA crm AUTHORIZATION shop;
CREATE TYPE crm.mood AS ENUM ('good', 'bad');
CREATE DOMAIN crm.code AS text CHECK (VALUE <> '');
CREATE TABLE customer (id int PRIMARY KEY);
CREATE TABLE shop_order (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  customer int NOT NULL REFERENCES customer,
  price numeric(10, 2) NOT NULL CHECK (price > 0),
  twice numeric GENERATED ALWAYS AS (price * 2) STORED,
  note text NOT NULL DEFAULT 'none',
  ratio float8, at timestamptz, took interval, raw bytea, tags text[], place jsonb
);
CREATE INDEX ON shop_order (note);
CREATE TABLE crm."Order Items" (
  "the key" text, number serial, mood crm.mood NOT NULL, code crm.code, gone int,
  PRIMARY KEY (number, "the key")
);
ALTER TABLE crm."Order Items" DROP COLUMN gone;
CREATE TABLE log (at date NOT NULL, who text NOT NULL, PRIMARY KEY (at, who))
  PARTITION BY RANGE (at);
CREATE TABLE log_1 PARTITION OF log FOR VALUES FROM ('2026-01-01') TO ('2026-07-01');
CREATE TABLE log_2 PARTITION OF log FOR VALUES FROM ('2026-07-01') TO ('2027-01-01');
CREATE UNLOGGED TABLE scratch (id int);
"""
ROWS = r"""
INSERT INTO customer VALUES (1);
INSERT INTO shop_order (customer, price, note, ratio, at, took, raw, tags, place)
SELECT 1, n, E'line\none\ttwo \\. ' || n, 0.1 + n, '2026-11-28 14:00+00', '1 mon 2 days', '\x00ff',
  '{a,"b,c"}', '{"a": [1]}'
FROM generate_series(1, 100) n;
INSERT INTO shop_order (customer, price, note) VALUES (1, 1, '\.');
INSERT INTO crm."Order Items" VALUES ('it''s', 1, 'bad', 'x'), (E'\\N', 2, 'good', NULL);
INSERT INTO log SELECT date '2026-01-01' + n * 60, 'Anna' FROM generate_series(0, 5) n;
"""
# What somebody has set for the database must not change what is copied.
ODD = """
ALTER DATABASE shop SET datestyle = 'German'; ALTER DATABASE shop SET statement_timeout = '9s';
ALTER DATABASE shop SET intervalstyle = 'sql_standard';
ALTER DATABASE shop SET bytea_output = escape;
"""


@pytest.fixture(scope="module")
def hosts() -> Iterator[tuple[str, str]]:
    """Run the copy of then, and the live cluster; return the directories of their sockets."""
    servers = PostgreSQL(), PostgreSQL()
    try:
        for server in servers:
            server.create()
        yield str(servers[0].directory), str(servers[1].directory)
    finally:
        for server in servers:
            server.remove()


@pytest.fixture
def then(hosts: tuple[str, str]) -> Iterator[str]:
    """Give both clusters the same database; return the copy of then."""
    for host in hosts:
        sql.ask("CREATE ROLE shop", host=host)
        sql.ask("CREATE DATABASE shop OWNER shop", host=host)
        for script in (SCHEMA, ROWS):
            sql.ask(script, "shop", host)
    yield hosts[0]
    for host in hosts:
        sql.ask("DROP DATABASE shop WITH (FORCE)", host=host)
        sql.ask("DROP ROLE shop", host=host)


@pytest.fixture
def live(hosts: tuple[str, str], then: str) -> str:
    """Return the live cluster."""
    return hosts[1]


@pytest.fixture
def copied(monkeypatch: pytest.MonkeyPatch, then: str) -> None:
    """Have the copy of then be what comes out of the backups."""

    @contextmanager
    def restored(config: Any, chosen: Target, settings: Mapping[str, str]) -> Iterator[str]:
        assert chosen == TARGET
        yield then

    monkeypatch.setattr(throwaway, "restored", restored)


def bring(tmp_path: Path, table: str, live: str) -> dict[str, Any]:
    """Bring a table back."""
    (tmp_path / "main").mkdir(exist_ok=True)
    return single_table.bring(here(tmp_path), {"table": table, "target": TARGET.as_json()}, live)


@with_postgresql
@pytest.mark.usefixtures("copied")
def test_rows_come_back_beside_the_live_ones(then: str, live: str, tmp_path: Path) -> None:
    for host in (then, live):
        sql.ask(ODD, "shop", host)
    sql.ask("DELETE FROM shop_order WHERE id > 40", "shop", live)
    sql.ask("UPDATE shop_order SET note = 'new' WHERE id = 1", "shop", live)
    done = bring(tmp_path, "shop_order", live)
    new = "public.shop_order_20261128_140300"
    names = "id, customer, price, note, ratio, at, took, raw, tags, place"
    assert done == {
        "table": "public.shop_order",
        "new": new,
        "rows": 101,
        "look": f"SELECT * FROM {new} LIMIT 10",
        "insert": f"INSERT INTO public.shop_order ({names}) OVERRIDING SYSTEM VALUE SELECT {names} "
        f"FROM {new} ON CONFLICT DO NOTHING",
        "drop": f"DROP TABLE {new}",
        "is_live": True,
        "without": [],
    }
    question = "SELECT md5(string_agg(t::text, chr(10) ORDER BY id)) FROM {} t"
    there = sql.one(question.format("shop_order"), "shop", then)
    assert sql.one(question.format(new), "shop", live) == there
    facts = f"""SELECT pg_get_userbyid(relowner), obj_description(oid),
    (SELECT string_agg(conname || ' ' || pg_get_constraintdef(k.oid), ', ') FROM pg_constraint k
     WHERE conrelid = c.oid AND contype <> 'n') FROM pg_class c WHERE oid = '{new}'::regclass"""
    assert sql.ask(facts, "shop", live) == [
        [
            "shop",
            f"public.shop_order {WHAT}, by espalier restore --table",
            "shop_order_20261128_140300_pkey PRIMARY KEY (id)",
        ]
    ]
    assert sql.one(f"{table_copy.SETTINGS} SHOW statement_timeout", "shop", live) == "0"
    # What is printed works, and keeps what has been written since.
    sql.ask(done["insert"], "shop", live)
    counts = "SELECT count(*), sum(twice) FROM shop_order"
    assert sql.ask(counts, "shop", live) == sql.ask(counts, "shop", then)
    assert sql.one("SELECT note FROM shop_order WHERE id = 1", "shop", live) == "new"
    sql.ask(done["drop"], "shop", live)


@with_postgresql
@pytest.mark.usefixtures("copied")
def test_own_types_mixed_case_and_a_schema_that_is_gone(
    then: str, live: str, tmp_path: Path
) -> None:
    sql.ask('DROP TABLE crm."Order Items"', "shop", live)
    done = bring(tmp_path, "Order Items", live)
    new = 'crm."Order Items_20261128_140300"'
    assert (done["table"], done["rows"]) == ("crm.Order Items", 2)
    assert done["new"] == "crm.Order Items_20261128_140300"
    assert (done["is_live"], done["without"]) == (False, [])
    assert done["insert"] == (
        'INSERT INTO crm."Order Items" ("the key", number, mood, code) SELECT "the key", number, '
        f"mood, code FROM {new} ON CONFLICT DO NOTHING"
    )
    key = f"SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = '{new}'::regclass"
    assert 'PRIMARY KEY (number, "the key")' in sql.ask(key, "shop", live)[-1]
    rows = "SELECT * FROM {} ORDER BY number"
    assert sql.ask(rows.format(new), "shop", live) == [
        ["it's", "1", "bad", "x"],
        ["\\N", "2", "good", ""],
    ]
    sql.ask("DROP SCHEMA crm CASCADE", "shop", live)
    with pytest.raises(BackupError) as failed:
        bring(tmp_path, "crm.Order Items", live)
    assert str(failed.value) == (
        'crm.Order Items cannot be copied into the live database: type "crm.mood" does not exist. '
        "If it needs what the live database has no longer, bring that moment into another "
        "environment: `espalier clone --at`."
    )
    assert sql.one("SELECT count(*) FROM pg_namespace WHERE nspname = 'crm'", "shop", live) == "0"


@with_postgresql
@pytest.mark.usefixtures("copied")
def test_partitions_come_back_as_one_table(live: str, tmp_path: Path) -> None:
    sql.ask("DROP TABLE log", "shop", live)
    done = bring(tmp_path, "public.log", live)
    assert done["rows"] == 6
    new = done["new"]
    kind = f"SELECT relkind, (SELECT count(*) FROM {new}) FROM pg_class WHERE relname = 'log_"
    assert sql.ask(f"{kind}20261128_140300'", "shop", live) == [["r", "6"]]
    assert bring(tmp_path, "log_2", live)["rows"] == 2


@with_postgresql
@pytest.mark.usefixtures("copied")
def test_columns_that_the_live_table_has_no_more_are_named(live: str, tmp_path: Path) -> None:
    sql.ask("ALTER TABLE shop_order DROP COLUMN note, ADD COLUMN more text", "shop", live)
    done = bring(tmp_path, "shop_order", live)
    assert done["without"] == ["note"]
    assert "note" not in done["insert"] and "more" not in done["insert"]
    sql.ask(done["insert"], "shop", live)


@with_postgresql
@pytest.mark.usefixtures("copied")
@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        ("shop_ordr", f"In the database {WHAT}, there is no table shop_ordr: did you mean shop_or"),
        ("crm.x", f"In the database {WHAT}, there is no table crm.x."),
        ("scratch", "public.scratch is unlogged: no backup has rows of such a table."),
    ],
)
def test_table_that_was_not_there(live: str, tmp_path: Path, table: str, sentence: str) -> None:
    before = catalog.tables("shop", live)
    with pytest.raises(BackupError) as failed:
        bring(tmp_path, table, live)
    assert str(failed.value).startswith(sentence)
    assert catalog.tables("shop", live) == before


@with_postgresql
@pytest.mark.usefixtures("copied")
def test_live_disk_without_room_for_the_table(
    live: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = SimpleNamespace(disk_usage=lambda path: SimpleNamespace(free=2**30))
    monkeypatch.setattr(single_table, "shutil", usage)
    with pytest.raises(BackupError, match=r"no room for public.log in the live .* needs 1.1 GB"):
        bring(tmp_path, "log", live)


@with_postgresql
def test_copy_that_is_cut_off_is_not_kept(
    then: str, live: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    table, new = Table("public", "shop_order", {}), Table("public", "copy", {})
    found = [Column("id", "bigint"), Column("note", "int")]
    with pytest.raises(BackupError, match="invalid input syntax for type integer"):
        table_copy.copy(table, new, found, "", "shop", then, live)
    psql = table_copy._psql

    def cut_off(database: str, host: str, *words: str) -> subprocess.Popen[bytes]:
        if host == live:
            return psql(database, host, *words)
        pipe = subprocess.PIPE
        script = "printf '1\\n2\\n'; echo 'ERROR:  invalid page' >&2; exit 1"
        return subprocess.Popen(["sh", "-c", script], stdout=pipe, stderr=pipe)

    monkeypatch.setattr(table_copy, "_psql", cut_off)
    with pytest.raises(BackupError, match=r"^invalid page$"):
        table_copy.copy(table, new, found[:1], "", "shop", then, live)
    assert sql.one("SELECT to_regclass('public.copy')", "shop", live) == ""


@with_postgresql
def test_values_are_read_by_no_administrator(then: str, live: str) -> None:
    evil = """
    CREATE FUNCTION evil(text) RETURNS bool LANGUAGE plpgsql AS $$ BEGIN
      PERFORM pg_read_file('/etc/hostname'); RETURN true; END $$;
    CREATE DOMAIN public.evil AS text CHECK (public.evil(VALUE));
    """
    sql.ask(evil, "shop", live)
    table, new = Table("public", "shop_order", {}), Table("public", "copy", {})
    found = [Column("note", "public.evil")]
    with pytest.raises(BackupError, match="permission denied for function pg_read_file"):
        table_copy.copy(table, new, found, "", "shop", then, live)


def test_name_says_the_moment_and_is_short_enough() -> None:
    assert single_table.new_name("shop_order", AT) == "shop_order_20261128_140300"
    long = single_table.new_name("ä" * 31, AT + 0.9)
    assert long == f"{'ä' * 23}_20261128_140300"
    assert len(long.encode()) <= 63


@pytest.fixture
def primary(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A primary with a backup and 100 GB of free disk."""
    found = SimpleNamespace(is_primary=True, free=100 * 10**9, tables=[])
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=found.free))
    monkeypatch.setattr(sql, "is_primary", lambda host: found.is_primary)
    monkeypatch.setattr(catalog, "tables", lambda database, host: found.tables)
    backup = SimpleNamespace(size=10 * 10**9, ended=7)
    monkeypatch.setattr(restore, "find", lambda config, said: (TARGET, backup))
    return found


def test_plan(primary: SimpleNamespace) -> None:
    primary.tables = [Table("other", "shop_order_20261128_140300", {})]
    assert single_table.plan(CONFIG, {"table": "public.shop_order", "to": AT}) == {
        "target": TARGET.as_json(),
        "new": "shop_order_20261128_140300",
        "backup_ended": 7,
    }


@pytest.mark.parametrize(
    ("differs", "sentence"),
    [
        ({"is_primary": False}, "PostgreSQL on this machine is a replica, in which no table can"),
        (
            {"free": 14 * 10**9},
            "There is no room to look for the table in the backup: a copy of the database needs "
            "14.1 GB of disk, and 14.0 GB are free.",
        ),
        (
            {"tables": [Table("public", "shop_order_20261128_140300", {})]},
            "public.shop_order_20261128_140300 is there already: that table was brought back",
        ),
    ],
)
def test_plan_refuses(primary: SimpleNamespace, differs: dict[str, Any], sentence: str) -> None:
    vars(primary).update(differs)
    for table in ("shop_order", "public.shop_order"):
        with pytest.raises(BackupError) as refused:
            single_table.plan(CONFIG, {"table": table, "to": AT})
        assert str(refused.value).startswith(sentence)
