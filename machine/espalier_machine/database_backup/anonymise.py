"""What takes the place of data about people, in a copy that goes elsewhere.

Pure: from what the catalog says of a column comes the SQL, or the sentence why there is none.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from espalier_machine.database_backup import sql
from espalier_machine.database_backup.catalog import Column, Table
from espalier_machine.database_backup.errors import BackupError

TEXTS = ("text", "varchar", "bpchar", "citext")
# The row's number: each row of a table has another one.
N = "numbered.n"
EMAIL = f"'person' || {N} || '@example.invalid'"
EMAIL_TAKEN = r"substring({}::text from '(?i)^person([0-9]{{1,15}})@example\.invalid$')::bigint"
EMAIL_LENGTH = 32  # with a number of ten digits
UNUSABLE = "'!'"  # no password has such a hash: Django's UNUSABLE_PASSWORD_PREFIX
SESSIONS = "django_session"


@dataclass(frozen=True)
class Kind:
    """What takes the place of a value of some type.

    Attributes:
        blank: for a column that may not be NULL.
        unique: the same, another one for each row; "" where there is no such value.
        taken: the greatest number that such a value of a row has already, from the column `{}`:
            rows are changed one by one, and none may meet what the next one still has. "" where
            `unique` is random.
    """

    blank: str
    unique: str = ""
    taken: str = ""


NUMBER = Kind("0", N, "ceil({})::bigint")
RANDOM_JSON = "jsonb_build_object('blanked', gen_random_uuid())"
KINDS: Mapping[str, Kind] = {
    **dict.fromkeys(
        TEXTS,
        Kind("''", f"'x' || {N}", "substring({}::text from '(?i)^x([0-9]{{1,15}})$')::bigint"),
    ),
    **dict.fromkeys(("int2", "int4", "int8", "numeric", "float4", "float8"), NUMBER),
    "bool": Kind("false"),
    "date": Kind(
        "date '1970-01-01'", f"date '1970-01-01' + {N}::int", "({} - date '1970-01-01')::bigint"
    ),
    **{
        name: Kind(
            f"{name} '1970-01-01 00:00+00'",
            f"{name} '1970-01-01 00:00+00' + {N} * interval '1 second'",
            "ceil(extract(epoch from {}))::bigint",
        )
        for name in ("timestamp", "timestamptz")
    },
    "time": Kind("time '00:00'"),
    "timetz": Kind("timetz '00:00+00'"),
    "interval": Kind("interval '0'"),
    "json": Kind("'{}'"),
    "jsonb": Kind("'{}'", RANDOM_JSON),
    "bytea": Kind("''", "uuid_send(gen_random_uuid())"),
    "uuid": Kind("'00000000-0000-0000-0000-000000000000'", "gen_random_uuid()"),
    # Of the addresses that nobody else has (RFC 4193), a random one.
    "inet": Kind("'0.0.0.0'", "inet 'fd00::' + (random() * 9e18)::bigint"),
    "tsvector": Kind("''"),
}
ARRAY = Kind("'{}'")


def chosen(
    tables: Sequence[Table], wanted: Mapping[str, Collection[str]]
) -> list[tuple[Table, list[Column]]]:
    """Return the tables and columns that a person means.

    Args:
        tables: of the database.
        wanted: table, with or without its schema -> columns.

    Raises:
        BackupError: one of them is not there, or cannot be blanked; all such are told at once.
    """
    found, wrong = [], []
    for name, columns in wanted.items():
        try:
            table = _table(tables, name)
            known = [_column(table, column) for column in columns]
        except BackupError as error:
            wrong.append(str(error))
            continue
        refused = [why for column in known if (why := refusal(table, column))]
        wrong += refused
        found.append((table, known))
    if wrong:
        raise BackupError(f"`anonymise` in project.yml: {' '.join(wrong)}")
    return found


def _table(tables: Sequence[Table], name: str) -> Table:
    found = [one for one in tables if name in (str(one), one.name)]
    if len(found) == 1:
        return found[0]
    if found:
        several = " or ".join(map(str, found))
        raise BackupError(f"{name} is in several schemas: write {several}.")
    names = [str(one) if "." in name else one.name for one in tables]
    raise BackupError(f"there is no table {name}{_nearest(name, names) or '.'}")


def _column(table: Table, name: str) -> Column:
    if name not in table.columns:
        hint = _nearest(name, table.columns) or f"; it has {', '.join(table.columns)}."
        raise BackupError(f"the table {table} has no column {name}{hint}")
    return table.columns[name]


def _nearest(word: str, known: Collection[str]) -> str:
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    return f": did you mean {near[0]}?" if near else ""


def refusal(table: Table, column: Column) -> str:
    """Return why a column cannot be blanked, as a sentence; "" where it can."""
    name = f"{table}.{column.name}"
    if column.is_primary:
        return f"{name} is of the primary key, by which rows are known: leave it out."
    if column.refers:
        return f"{name} is of a foreign key: blank columns of the row that it leads to."
    if column.is_referred_to:
        return f"{name} is what a foreign key of another table leads to: leave it out."
    if column.is_generated:
        return f"{name} is generated by PostgreSQL: blank the columns that it is made of."
    kind = _kind(column)
    if kind is None:
        return f"{name} is of the type {column.type}, for which there is no blank: leave it out."
    if column.is_unique and not _may_be_null(column) and not kind.unique:
        return (
            f"{name} has to differ from row to row, and there are no such values of the type "
            f"{column.type}: leave it out."
        )
    return ""


def is_text(column: Column) -> bool:
    """Whether texts stand in a column, which may be addresses of e-mail."""
    return column.type in TEXTS


def is_called_email(column: Column) -> bool:
    """Whether a column is one for addresses of e-mail by its name."""
    return "email" in column.name.lower().replace("_", "").replace("-", "")


def value(column: Column, is_email: bool = False) -> str:
    """Return the SQL of what takes the place of a column's values; NULL if that may be.

    Args:
        column: one that `refusal` lets pass.
        is_email: whether its texts are addresses.
    """
    kind = _kind(column)
    assert kind
    if _becomes_address(column, is_email):
        return EMAIL
    if column.name == "password" and is_text(column) and not column.is_unique:
        return UNUSABLE
    if _may_be_null(column):
        return "NULL"
    if not column.is_unique:
        return kind.blank
    return f"left({kind.unique}, {column.length})" if column.length else kind.unique


def statement(table: Table, columns: Sequence[Column], emails: Collection[str]) -> str:
    """Return the SQL that blanks columns of a table, and returns how many rows it has.

    Args:
        table: with its partitions, and those that inherit from it.
        columns: those to blank.
        emails: the names of those that have addresses of e-mail.
    """
    pairs = [(column, value(column, column.name in emails)) for column in columns]
    settings = ", ".join(f"{sql.quoted(column.name)} = {new}" for column, new in pairs)
    known = list(_taken(columns, emails))
    first = f" + (SELECT greatest({', '.join(known)}, 0) FROM {table.quoted})" if known else ""
    # A place is that of a row in one table: a partition has the same ones.
    return (
        f"WITH numbered AS (SELECT tableoid AS part, ctid AS place, row_number() OVER (){first} "
        f"AS n FROM {table.quoted}), blanked AS (UPDATE {table.quoted} AS one SET {settings} "
        "FROM numbered WHERE one.tableoid = numbered.part AND one.ctid = numbered.place "
        "RETURNING 1) SELECT count(*) FROM blanked"
    )


def looks_like_addresses(table: Table, column: Column) -> str:
    """Return the SQL that says whether the texts of a column are addresses of e-mail: t or f."""
    name = sql.quoted(column.name)
    some = f"SELECT {name}::text AS one FROM {table.quoted} WHERE {name}::text <> '' LIMIT 1000"
    return rf"SELECT coalesce(bool_and(one ~ '^[^@\s]+@[^@\s]+\.[^@\s]+$'), false) FROM ({some}) s"


def sessions(tables: Sequence[Table]) -> Iterator[tuple[Table, str]]:
    """Yield the tables of Django's sessions, each with the SQL that empties it.

    Where rows of other tables lead to sessions, these stay without what they hold, and have ended.
    """
    for table in tables:
        if table.name != SESSIONS:
            continue
        if any(column.is_referred_to for column in table.columns.values()):
            ended = "session_data = '', expire_date = '1970-01-01 00:00+00'"
            yield table, f"UPDATE {table.quoted} SET {ended}"
        else:
            yield table, f"TRUNCATE {table.quoted}"


def _kind(column: Column) -> Kind | None:
    return ARRAY if column.is_array else KINDS.get(column.type)


def _may_be_null(column: Column) -> bool:
    return column.is_nullable and not column.null_collides


def _becomes_address(column: Column, is_email: bool) -> bool:
    has_room = column.length is None or column.length >= EMAIL_LENGTH
    return is_text(column) and has_room and (is_email or is_called_email(column))


def _taken(columns: Sequence[Column], emails: Collection[str]) -> Iterator[str]:
    """Yield the greatest number of each unique column whose values are made of numbers."""
    for column in columns:
        name, kind = sql.quoted(column.name), _kind(column)
        if not column.is_unique or not kind:
            continue
        if _becomes_address(column, column.name in emails):
            yield f"max({EMAIL_TAKEN.format(name)})"
        elif not _may_be_null(column) and kind.taken:
            yield f"max({kind.taken.format(name)})"
