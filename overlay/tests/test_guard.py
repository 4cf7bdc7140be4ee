"""What a migration's statements mean for the code that runs meanwhile."""

import json
from typing import Any

import pytest

from espalier_overlay.guard import LARGE, Database, judge, locks
from espalier_overlay.migrate import lock_key
from overlay.tests.conftest import Run

LIVE = {"shop_item": ["id", "name", "price"]}


@pytest.fixture
def there() -> Database:
    database = Database()
    database.rows = {"shop_item": 10, "shop_old": 10, "shop_log": LARGE}
    database.types = {("shop_item", "name"): "character varying(50)"}
    return database


UNSAFE = {
    'ALTER TABLE "shop_item" DROP COLUMN "price" CASCADE;': "DROP_COLUMN",
    'DROP TABLE "shop_item" CASCADE;': "DROP_TABLE",
    'ALTER TABLE "shop_item" RENAME COLUMN "price" TO "cost";': "RENAME_COLUMN",
    'ALTER TABLE "shop_item" RENAME TO "shop_thing";': "RENAME_TABLE",
    'ALTER TABLE "shop_item" ADD COLUMN "weight" integer NOT NULL;': "NOT_NULL",
    'ALTER TABLE "shop_item" ALTER COLUMN "price" TYPE bigint USING "price"::bigint;': (
        "ALTER_COLUMN"
    ),
    'ALTER TABLE "shop_item" ALTER COLUMN "name" TYPE varchar(20);': "ALTER_COLUMN",
    'ALTER TABLE "shop_item" ADD CONSTRAINT "u" UNIQUE ("name");': "ADD_UNIQUE",
    'CREATE INDEX "i" ON "shop_log" ("name");': "CREATE_INDEX",
}


@pytest.mark.parametrize("statement", UNSAFE)
def test_what_the_live_code_would_trip_over_is_named_with_a_way_out(
    there: Database, statement: str
):
    (issue,) = judge([statement], LIVE, there)
    assert issue["code"] == UNSAFE[statement]
    assert issue["fix"]


@pytest.mark.parametrize(
    "statement",
    [
        'ALTER TABLE "shop_item" ADD COLUMN "weight" integer NULL;',
        'ALTER TABLE "shop_item" ADD COLUMN "weight" integer DEFAULT 0 NOT NULL;',
        'ALTER TABLE "shop_item" ALTER COLUMN "name" TYPE varchar(80);',
        'ALTER TABLE "shop_item" ALTER COLUMN "name" TYPE text USING "name"::text;',
        # What the live code does not use any more may go: the second of two releases.
        'ALTER TABLE "shop_item" DROP COLUMN "colour" CASCADE;',
        'DROP TABLE "shop_old" CASCADE;',
        # A table that these migrations make.
        'ALTER TABLE "shop_new" ADD COLUMN "weight" integer NOT NULL;',
        'CREATE UNIQUE INDEX "i" ON "shop_new" ("name");',
        'CREATE INDEX "i" ON "shop_item" ("name");',  # small
        'CREATE INDEX CONCURRENTLY "i" ON "shop_log" ("name");',
        'CREATE TABLE "shop_new" ("id" bigint NOT NULL PRIMARY KEY);',
    ],
)
def test_what_the_live_code_can_live_with_is_not(there: Database, statement: str):
    assert judge([statement], LIVE, there) == []


@pytest.mark.parametrize(
    ("statement", "codes"),
    [
        ("ALTER TABLE shop_item DROP COLUMN price", ["DROP_COLUMN"]),
        ('ALTER TABLE public."shop_item" DROP COLUMN "price"', ["DROP_COLUMN"]),
        ('alter table "public".shop_item drop price', ["DROP_COLUMN"]),
        ("ALTER TABLE ONLY Shop_Item\n  DROP colour,\n  DROP price;", ["DROP_COLUMN"]),
        ("-- not needed\nALTER TABLE shop_item DROP price", ["DROP_COLUMN"]),
        ("ALTER TABLE shop_item /* big */ RENAME price TO cost", ["RENAME_COLUMN"]),
        ("ALTER TABLE shop_item RENAME TO shop_thing", ["RENAME_TABLE"]),
        ("ALTER TABLE IF EXISTS shop_item ADD weight int NOT NULL", ["NOT_NULL"]),
        ("ALTER TABLE shop_item ALTER price SET DATA TYPE bigint", ["ALTER_COLUMN"]),
        ("UPDATE shop_item SET price = 0; DROP TABLE shop_old, shop_item", ["DROP_TABLE"]),
        ("CREATE INDEX ON shop_log(name)", ["CREATE_INDEX"]),
        ("ALTER TABLE shop_item ADD UNIQUE (name)", ["ADD_UNIQUE"]),
        # What nobody can judge.
        ("ALTER TABLE shop_item SET SCHEMA attic", ["UNKNOWN"]),
        ("ALTER TABLE shop_item FORCE ROW LEVEL SECURITY", ["UNKNOWN"]),
        ("ALTER TABLE shop_log DETACH PARTITION shop_item", []),  # the live code has no shop_log
        ("DO $$ BEGIN EXECUTE 'alter table shop_item drop price'; END $$", ["UNKNOWN"]),
        ("DROP VIEW IF EXISTS public.shop_item", ["UNKNOWN"]),
    ],
)
def test_what_a_person_has_written_is_read_too(there: Database, statement: str, codes: list[str]):
    assert [issue["code"] for issue in judge([statement], LIVE, there)] == codes


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS i ON shop_item (name)",
        "ALTER TABLE shop_item ADD CONSTRAINT u UNIQUE USING INDEX i",
        "ALTER TABLE shop_item ADD COLUMN weight int NOT NULL DEFAULT 0",
        "ALTER TABLE shop_item ALTER name TYPE varchar(80)",
        "ALTER TABLE shop_item VALIDATE CONSTRAINT c, SET (fillfactor = 70)",
        "ALTER TABLE shop_item DISABLE TRIGGER ALL",
        "COMMENT ON COLUMN shop_item.price IS 'DROP COLUMN price'",
        "UPDATE shop_item SET name = 'ALTER TABLE shop_item DROP COLUMN price; NOT NULL'",
        "CREATE FUNCTION f() RETURNS trigger AS $$ BEGIN ALTER TABLE shop_item DROP price; END $$",
        "DROP TRIGGER t ON shop_item; CREATE TRIGGER t BEFORE UPDATE ON shop_item EXECUTE f()",
        "DO $$ BEGIN CREATE TYPE mood AS ENUM ('sad'); EXCEPTION WHEN OTHERS THEN NULL; END $$",
        "DROP VIEW shop_item; CREATE VIEW shop_item AS SELECT 1",
        "ALTER SEQUENCE shop_item_id_seq OWNED BY shop_item.id",
        "DROP TABLE shop_item_old",
    ],
)
def test_what_a_person_has_written_and_is_harmless_is_not(there: Database, statement: str):
    assert judge([statement], LIVE, there) == []


def test_table_that_is_gone_already_is_missed_by_the_code_that_uses_it(there: Database):
    # What a rollback asks: the database is past the migration.
    del there.rows["shop_item"]
    assert [one["code"] for one in judge(['DROP TABLE "shop_item"'], LIVE, there)] == ["DROP_TABLE"]


def test_default_that_the_migration_drops_again_is_none(there: Database):
    # What Django does for a field with a default of Python's: rows of the live code have no value.
    statements = [
        'ALTER TABLE "shop_item" ADD COLUMN "weight" integer DEFAULT 0 NOT NULL;',
        'ALTER TABLE "shop_item" ALTER COLUMN "weight" DROP DEFAULT;',
    ]
    assert [issue["code"] for issue in judge(statements, LIVE, there)] == ["NOT_NULL"]


@pytest.mark.parametrize(
    ("statement", "lock"),
    [
        ('ALTER TABLE "a" ADD COLUMN "b" integer NULL;', "ACCESS EXCLUSIVE"),
        ('CREATE INDEX "i" ON "a" ("b");', "SHARE"),
        ('CREATE INDEX CONCURRENTLY "i" ON "a" ("b");', "SHARE UPDATE EXCLUSIVE"),
        (
            'ALTER TABLE "a" ADD CONSTRAINT "f" FOREIGN KEY ("b") REFERENCES "c" ("id");',
            "SHARE ROW EXCLUSIVE",
        ),
        ('UPDATE "a" SET "b" = 1;', "ROW EXCLUSIVE"),
    ],
)
def test_locks_are_those_of_postgresql_s_manual(statement: str, lock: str):
    assert [(one["table"], one["lock"]) for one in locks([statement])] == [("a", lock)]


def test_strongest_lock_counts_and_new_tables_have_none():
    statements = [
        'CREATE TABLE "new" ("id" bigint);',
        'CREATE INDEX "i" ON "new" ("id");',
        'UPDATE "a" SET "b" = 1;',
        'ALTER TABLE "a" DROP COLUMN "b";',
        'CREATE INDEX "i" ON "a" ("c");',
    ]
    assert locks(statements) == [
        {"table": "a", "lock": "ACCESS EXCLUSIVE", "effect": "everybody waits"}
    ]


def test_columns_are_what_the_models_use(run: Run):
    done = run("-m", "espalier_overlay.guard", "columns")
    assert done.returncode == 0, done.stderr
    said: dict[str, Any] = json.loads(done.stdout)
    assert said["tables"]["notes_note"] == ["id", "text", "stars"]
    assert "notes.0002_note_stars" in said["migrations"]


def test_locks_of_different_names_differ():
    assert lock_key("beat") != lock_key("mailer")
    assert -(2**63) <= lock_key("beat") < 2**63
