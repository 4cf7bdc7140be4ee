"""Tells which migrations the code that runs meanwhile could not live with, before they run.

    python -m espalier_overlay.guard columns             what this code's models use
    python -m espalier_overlay.guard check < columns     the migrations that are not applied yet
    python -m espalier_overlay.guard beyond < columns    those that the other code does not know

Both print JSON. `check` is asked in the new release, with the columns of the live one: they serve
side by side while the migrations run. `beyond` is asked in the live release with the columns of an
older one: whether that could live with the database as it is now. What a statement does is
django-migration-linter's business; here is what it means for the code that serves meanwhile, and
what to do.
"""

import argparse
import json
import os
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import django
from django.apps import apps
from django.db import DEFAULT_DB_ALIAS, connections

from espalier_overlay.migrate import bypass_pooler
from espalier_overlay.statements import split_statements

LARGE = 100_000  # rows; the kit's own choice of what takes too long to lock writers out for
FIXES = {
    "DROP_COLUMN": "release code that does not use the column first, and drop it with the next one",
    "DROP_TABLE": "release code that does not use the table first, and drop it with the next one",
    "RENAME_COLUMN": "add a column, copy, and drop the old one with the next release; or keep its "
    "name with db_column",
    "RENAME_TABLE": "keep the table's name with db_table",
    "NOT_NULL": "give the field a db_default (Django 5), or null=True until the next release",
    "ALTER_COLUMN": "add a column of the new type, copy, drop the old one with the next release",
    "ADD_UNIQUE": "build the index concurrently (AddIndexConcurrently) before the constraint",
    "CREATE_INDEX": "use AddIndexConcurrently from django.contrib.postgres, with atomic = False",
    "UNKNOWN": "read what it does; or write it as operations of Django's",
    "IRREVERSIBLE": "give it a reverse_code or reverse_sql, if it can be undone",
}
# What the code that runs meanwhile would trip over; the others only lock.
INCOMPATIBLE = frozenset(
    ("DROP_COLUMN", "DROP_TABLE", "RENAME_COLUMN", "RENAME_TABLE", "NOT_NULL", "ALTER_COLUMN")
)
LOCKING = frozenset(("ADD_UNIQUE", "CREATE_INDEX"))
# What the linter judges; data may change, and anything new may be made.
JUDGED = ("ALTER TABLE ", "DROP TABLE ", "CREATE INDEX ", "CREATE UNIQUE INDEX ")
# Actions of ALTER TABLE that the linter knows, or that change nothing which code sees.
ACTIONS = re.compile(
    r"(ADD|DROP|RENAME) (COLUMN|CONSTRAINT) |RENAME TO |ALTER CONSTRAINT |VALIDATE CONSTRAINT "
    r'|ALTER COLUMN "[^"]*" (TYPE|SET|DROP|ADD|RESET|RESTART)\b|(RE)?SET ?\(|OWNER TO '
    r"|SET (LOGGED|UNLOGGED|TABLESPACE|ACCESS METHOD|WITHOUT) ?|CLUSTER ON |REPLICA IDENTITY "
    r"|(ENABLE|DISABLE) |NO FORCE |(NO )?INHERIT |ATTACH PARTITION "
)
# What else may take away what code uses: a view, which a model can stand on, or a program.
OTHERS = re.compile(r"(ALTER|DROP) (MATERIALIZED VIEW|VIEW|FOREIGN TABLE|TABLE)\b")
VIEW = re.compile(r'CREATE (?:OR REPLACE )?(?:MATERIALIZED )?VIEW (?:\w+\.)?"?(\w+)')
PROGRAM = re.compile(r"DO\b.*\b(ALTER|DROP|RENAME)\b", re.DOTALL | re.IGNORECASE)
# Table locks by statement, the first that matches (PostgreSQL manual, 13.3.1 Table-Level Locks).
LOCKS = (
    (r"ALTER TABLE .* VALIDATE CONSTRAINT", "SHARE UPDATE EXCLUSIVE", "nobody waits"),
    (r"ALTER TABLE .* FOREIGN KEY", "SHARE ROW EXCLUSIVE", "writers wait"),
    (r"(CREATE|DROP|REINDEX) .*CONCURRENTLY", "SHARE UPDATE EXCLUSIVE", "nobody waits"),
    (r"CREATE (UNIQUE )?INDEX", "SHARE", "writers wait"),
    (r"ALTER TABLE|DROP TABLE|DROP INDEX|TRUNCATE|REINDEX", "ACCESS EXCLUSIVE", "everybody waits"),
    (r"UPDATE|INSERT|DELETE", "ROW EXCLUSIVE", "nobody waits, but for the rows"),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Print what was asked as JSON; gives 0."""
    parser = argparse.ArgumentParser(prog="python -m espalier_overlay.guard")
    parser.add_argument("command", choices=["columns", "check", "beyond"])
    command = parser.parse_args(argv).command
    bypass_pooler(os.environ)
    django.setup()
    if command == "columns":
        print(json.dumps(columns()))
        return 0
    other = json.loads(sys.stdin.read() or "null")
    print(json.dumps(verdicts(other, beyond=command == "beyond")))
    return 0


def columns() -> dict[str, Any]:
    """Return the tables and columns that this code's models use, and the migrations it has."""
    tables: dict[str, list[str]] = {}
    for model in apps.get_models(include_auto_created=True):
        if not model._meta.proxy:
            names = tables.setdefault(model._meta.db_table, [])
            names += [field.column for field in model._meta.local_concrete_fields]
    from django.db.migrations.loader import MigrationLoader

    loader = MigrationLoader(None)
    return {"tables": tables, "migrations": sorted(".".join(key) for key in loader.disk_migrations)}


def verdicts(other: Mapping[str, Any] | None, *, beyond: bool) -> list[dict[str, Any]]:
    """Return the migrations in question, each with its locks and what is wrong with it.

    Args:
        other: what `columns` gave in the code that runs meanwhile; None: nothing runs.
        beyond: the applied migrations that `other` does not know, rather than the pending ones.
    """
    from django.db.migrations.executor import MigrationExecutor

    connection = connections[DEFAULT_DB_ALIAS]
    if connection.vendor != "postgresql":
        return []  # the linter's rules and the locks are PostgreSQL's
    executor = MigrationExecutor(connection)
    if beyond:
        known = set((other or {}).get("migrations", ()))
        targets = executor.loader.graph.leaf_nodes()
        everything = executor.migration_plan(targets, clean_start=True)
        wanted = [
            migration
            for migration, _ in everything
            if (migration.app_label, migration.name) in executor.loader.applied_migrations
            and f"{migration.app_label}.{migration.name}" not in known
        ]
    else:
        plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
        wanted = [migration for migration, _ in plan]
    there = Database(connection)
    tables = (other or {}).get("tables", {})
    found = [_verdict(executor.loader, connection, one, tables, there) for one in wanted]
    for verdict in found if beyond else ():  # what only locked is over
        verdict["issues"] = [one for one in verdict["issues"] if one["code"] not in LOCKING]
    return found


class Database:
    """What is in the database now."""

    def __init__(self, connection: Any = None) -> None:
        """Ask PostgreSQL; without a connection there is nothing in it."""
        self.rows: dict[str, int] = {}  # table -> how many rows, as its statistics estimate
        self.types: dict[tuple[str, str], str] = {}  # table, column -> SQL type
        if connection is None:
            return
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT relname, reltuples::bigint FROM pg_class "
                "WHERE relkind IN ('r', 'p') AND relnamespace = current_schema()::regnamespace"
            )
            self.rows = dict(cursor.fetchall())
            cursor.execute(
                "SELECT relname, attname, format_type(atttypid, atttypmod) FROM pg_attribute "
                "JOIN pg_class ON pg_class.oid = attrelid "
                "WHERE attnum > 0 AND relnamespace = current_schema()::regnamespace"
            )
            self.types = {(table, column): kind for table, column, kind in cursor.fetchall()}

    def widens(self, table: str, column: str, kind: str) -> bool:
        """Tell whether a text column only gets room for longer text."""
        now = re.fullmatch(r"character varying\((\d+)\)", self.types.get((table, column), ""))
        then = re.fullmatch(r"varchar\((\d+)\)", kind)
        return bool(now) and (kind == "text" or bool(then and int(then[1]) >= int(now[1])))


def _verdict(
    loader: Any,
    connection: Any,
    migration: Any,
    tables: Mapping[str, Sequence[str]],
    there: Database,
) -> dict[str, Any]:
    name = f"{migration.app_label}.{migration.name}"
    statements, failed = _statements(loader, connection, migration)
    issues = judge(statements, tables, there)
    for operation, state, error in failed:
        for table in sorted(_changed(operation, migration.app_label, state, tables)):
            message = f"{operation.describe()}: cannot be judged ({error}): {table}"
            issues.append(_issue("UNKNOWN", message))
    for operation in migration.operations:
        if not operation.reversible:
            issues.append(_issue("IRREVERSIBLE", f"{operation.describe()} cannot be undone"))
    return {
        "migration": name,
        "locks": locks(statements),
        "issues": issues,
        "unknown": "; ".join(f"{one.describe()}: {error}" for one, _, error in failed),
    }


def _statements(
    loader: Any, connection: Any, migration: Any
) -> tuple[list[str], list[tuple[Any, Any, str]]]:
    """Return the migration's SQL, and what has none yet.

    That is an operation that looks at the database as it will be, for instance for a constraint
    which a migration before makes: (operation, the models before it, the error).
    """
    key = (migration.app_label, migration.name)
    try:
        return _collect(connection, migration, loader.project_state(key, at_end=False)), []
    except Exception:  # whatever an operation may raise; which one it is comes out below
        state = loader.project_state(key, at_end=False)
    statements: list[str] = []
    failed: list[tuple[Any, Any, str]] = []
    for operation in migration.operations:
        before = state.clone()
        one = type(migration)(migration.name, migration.app_label)
        one.operations = [operation]
        try:
            statements += _collect(connection, one, before.clone())
        except Exception as error:
            failed.append((operation, before, f"{type(error).__name__}: {error}"))
        operation.state_forwards(migration.app_label, state)
    return statements, failed


def _collect(connection: Any, migration: Any, state: Any) -> list[str]:
    """Return a migration's SQL; raises whatever its operations do."""
    with connection.schema_editor(collect_sql=True, atomic=migration.atomic) as editor:
        migration.apply(state, editor, collect_sql=True)
    return list(editor.collected_sql)


def _changed(
    operation: Any, app_label: str, state: Any, tables: Mapping[str, Sequence[str]]
) -> set[str]:
    """Return the tables of the live code that an operation may drop, rename or alter.

    Constraints and indexes are none of it: code does not see them.
    """
    from django.db.migrations import operations as known

    if isinstance(operation, known.SeparateDatabaseAndState):
        inner = operation.database_operations
        return {one for each in inner for one in _changed(each, app_label, state, tables)}
    if isinstance(operation, known.RunSQL):
        return set(_named(str(operation.sql), tables))
    fields = (known.AddField, known.AlterField, known.RemoveField, known.RenameField)
    models = (known.AlterModelTable, known.AlterOrderWithRespectTo, known.DeleteModel)
    if isinstance(operation, fields):
        name = operation.model_name
    elif isinstance(operation, models):
        name = operation.name
    elif isinstance(operation, known.RenameModel):
        name = operation.old_name
    else:
        return set()
    return {state.apps.get_model(app_label, name)._meta.db_table} & tables.keys()


def judge(
    statements: Sequence[str], tables: Mapping[str, Sequence[str]], there: Database
) -> list[dict[str, str]]:
    """Return what is wrong with a migration's statements.

    Args:
        statements: the SQL of one migration, in order.
        tables: table -> columns that the code that runs meanwhile uses.
        there: what is in the database now.
    """
    from django_migration_linter.sql_analyser.analyser import analyse_sql_statements
    from django_migration_linter.sql_analyser.postgresql import PostgresqlAnalyser

    issues = []
    parts = [one for statement in statements for one in split_statements(statement)]
    for statement in parts:
        if taken := _unknown(statement, parts, tables):
            words = " ".join(statement.split())
            issues.append(_issue("UNKNOWN", f"{words:.80} cannot be judged: {taken}"))
        if not statement.startswith(JUDGED):
            continue
        table = _table(statement)
        if table not in there.rows and table not in tables:
            continue  # one of these migrations makes it, and nobody knows it yet
        together = [statement, *_dropped_default(statement, parts)]
        errors, _, warnings = analyse_sql_statements(PostgresqlAnalyser, together)
        for found in errors:
            column = _column(statement)
            if found.code in INCOMPATIBLE and table not in tables:
                continue  # the code that runs meanwhile does not know the table
            kind = re.search(r'ALTER COLUMN "[^"]+" TYPE (.+?)(?: USING|$)', statement)
            wanted = kind[1].lower() if kind else ""
            if found.code == "ALTER_COLUMN" and there.widens(table, column, wanted):
                continue
            if found.code == "ADD_UNIQUE" and re.search("CONCURRENTLY|USING INDEX", statement):
                continue  # the index is built while others write, or is there already
            if found.code == "DROP_COLUMN" and column not in tables[table]:
                continue
            where = f"{table}.{column}" if column else table
            issues.append(_issue(found.code, f"{found.message}: {where}"))
        for found in warnings:
            rows = there.rows.get(table, 0)
            if found.code == "CREATE_INDEX" and rows >= LARGE:
                issues.append(_issue(found.code, f"an index on {table}, of about {rows} rows"))
    return issues


def _unknown(statement: str, statements: Sequence[str], tables: Mapping[str, Sequence[str]]) -> str:
    """Return what a statement may take away from the live code, which nobody can tell; else ""."""
    if action := re.match(r'ALTER TABLE "([^"]+)" (.*)', statement):
        return action[1] if action[1] in tables and not ACTIONS.match(action[2]) else ""
    if statement.startswith(JUDGED):
        return ""
    if not OTHERS.match(statement) and not PROGRAM.match(statement):
        return ""
    views = [found[1] for one in statements if (found := VIEW.match(one))]  # made anew
    return next((name for name in _named(statement, tables) if not _named(name, views)), "")


def _named(sql: str, tables: Iterable[str]) -> list[str]:
    """Return the tables that some SQL names anywhere."""
    return [one for one in tables if re.search(rf"(?<!\w){re.escape(one)}(?!\w)", sql, re.I)]


def _issue(code: str, message: str) -> dict[str, str]:
    return {"code": code, "message": message, "fix": FIXES.get(code, "")}


def _dropped_default(statement: str, statements: Iterable[str]) -> list[str]:
    """Return what takes the default of a new column away again, as Django does with Python's."""
    if "ADD COLUMN" not in statement:
        return []
    drop = f'ALTER TABLE "{_table(statement)}" ALTER COLUMN "{_column(statement)}" DROP DEFAULT'
    return [one for one in statements if one.startswith(drop)]


def _table(statement: str) -> str:
    found = re.search(
        r'(?:TABLE|UPDATE|INTO|FROM|\bON) "([^"]+)"',
        statement,
    )
    return found[1] if found else ""


def _column(statement: str) -> str:
    found = re.search(r'COLUMN "([^"]+)"', statement)
    return found[1] if found else ""


def locks(statements: Sequence[str]) -> list[dict[str, str]]:
    """Return the table locks that statements take, the strongest for each table that was there."""
    statements = [one for statement in statements for one in split_statements(statement)]
    made = {_table(one) for one in statements if one.startswith("CREATE TABLE")}
    strength = {"ROW EXCLUSIVE": 0, "SHARE UPDATE EXCLUSIVE": 1, "SHARE": 2}
    strength |= {"SHARE ROW EXCLUSIVE": 3, "ACCESS EXCLUSIVE": 4}
    found: dict[str, tuple[str, str]] = {}
    for statement in statements:
        table = _table(statement)
        if not table or table in made:
            continue
        for pattern, lock, effect in LOCKS:
            if re.match(pattern, statement):
                if table not in found or strength[found[table][0]] < strength[lock]:
                    found[table] = (lock, effect)
                break
    return [
        {"table": table, "lock": lock, "effect": effect} for table, (lock, effect) in found.items()
    ]


if __name__ == "__main__":
    sys.exit(main())
