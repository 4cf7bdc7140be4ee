"""What PostgreSQL's catalog says of the tables of a database: what may stand in a column."""

from __future__ import annotations

import difflib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from espalier_machine.database_backup import sql
from espalier_machine.database_backup.errors import BackupError

# A row of JSON for each column: a name may have anything in it. `null_collides` are columns whose
# NULLs a unique index takes for the same; its property came with PostgreSQL 15.
COLUMNS = """
SELECT jsonb_build_object(
  'schema', n.nspname, 'table', c.relname, 'name', a.attname,
  'type', t.typname, 'is_array', t.typcategory = 'A',
  'length', CASE WHEN t.typname IN ('varchar', 'bpchar') AND a.atttypmod > 4
            THEN a.atttypmod - 4 END,
  'is_nullable', NOT a.attnotnull,
  'is_generated', a.attgenerated <> '' OR a.attidentity = 'a',
  'is_primary', EXISTS (SELECT FROM pg_constraint k WHERE k.contype = 'p' AND k.conrelid = c.oid
                        AND a.attnum = ANY (k.conkey)),
  'refers', EXISTS (SELECT FROM pg_constraint k WHERE k.contype = 'f' AND k.conrelid = c.oid
                    AND a.attnum = ANY (k.conkey)),
  'is_referred_to', EXISTS (SELECT FROM pg_constraint k WHERE k.contype = 'f'
                            AND k.confrelid = c.oid AND a.attnum = ANY (k.confkey)),
  'is_unique', u.is_unique, 'null_collides', u.null_collides
)
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
JOIN pg_type t ON t.oid = a.atttypid
CROSS JOIN LATERAL (
  SELECT count(*) > 0 AS is_unique,
    coalesce(bool_or(a.attnum <> ALL (i.indkey)
                     OR (to_jsonb(i) ->> 'indnullsnotdistinct')::bool), false) AS null_collides
  FROM pg_index i
  WHERE i.indrelid = c.oid AND i.indisunique AND (
    a.attnum = ANY (i.indkey)
    OR EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass
               AND d.objid = i.indexrelid AND d.refclassid = 'pg_class'::regclass
               AND d.refobjid = c.oid AND d.refobjsubid = a.attnum)
  )
) u
WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't'
AND n.nspname NOT IN ('pg_catalog', 'information_schema')
ORDER BY n.nspname, c.relname, a.attnum
"""


@dataclass(frozen=True)
class Column:
    """A column.

    Attributes:
        name: its own.
        type: PostgreSQL's internal name: `varchar`, `int4`; of an array, with a `_` before it.
        is_array: whether it is one.
        length: the longest text that it takes; None for any.
        is_nullable: whether it may be NULL.
        is_generated: whether PostgreSQL alone writes it.
        is_primary: whether it is of the primary key.
        refers: whether it is of a foreign key.
        is_referred_to: whether a foreign key leads to it.
        is_unique: whether it is part of a unique index, or of the expression of one.
        null_collides: whether two NULLs may violate that.
    """

    name: str
    type: str
    is_array: bool = False
    length: int | None = None
    is_nullable: bool = False
    is_generated: bool = False
    is_primary: bool = False
    refers: bool = False
    is_referred_to: bool = False
    is_unique: bool = False
    null_collides: bool = False


@dataclass(frozen=True)
class Table:
    """A table, and its columns by name."""

    schema: str
    name: str
    columns: Mapping[str, Column]

    def __str__(self) -> str:
        """Its name, as people write it."""
        return f"{self.schema}.{self.name}"

    @property
    def quoted(self) -> str:
        """Its name, as SQL has it."""
        return sql.quoted(self.schema, self.name)


def tables(database: str, host: str = sql.SOCKETS) -> list[Table]:
    """Return the tables of a database.

    Raises:
        BackupError: PostgreSQL does not answer.
    """
    found: dict[tuple[str, str], dict[str, Column]] = {}
    for row in sql.ask(f"SET search_path = ''; {COLUMNS}", database, host):
        facts = json.loads(row[0])
        place = facts.pop("schema"), facts.pop("table")
        found.setdefault(place, {})[facts["name"]] = Column(**facts)
    return [Table(schema, name, columns) for (schema, name), columns in found.items()]


def named(tables: Sequence[Table], name: str) -> Table:
    """Return the table that a person means.

    Args:
        tables: of the database.
        name: as the person writes it: `table`, or `schema.table`.

    Raises:
        BackupError: it is not there, or is in several schemas.
    """
    found = [one for one in tables if name in (str(one), one.name)]
    if len(found) == 1:
        return found[0]
    if found:
        several = " or ".join(map(str, found))
        raise BackupError(f"{name} is in several schemas: write {several}.")
    names = [str(one) if "." in name else one.name for one in tables]
    raise BackupError(f"there is no table {name}{nearest(name, names) or '.'}")


def nearest(word: str, known: Collection[str]) -> str:
    """Return the end of a sentence with the name that comes near; "" where none does."""
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    return f": did you mean {near[0]}?" if near else ""
