"""A dump as SQL, as `pg_dump` without a format writes it: its rows, and what of it is loaded."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from espalier_machine.importing.errors import ImportingError

NAME = rb'(?:"(?:[^"]|"")+"|[^\s".(]+)'
COPY = re.compile(rb"^COPY (?P<schema>" + NAME + rb")\.(?P<table>" + NAME + rb") .*FROM stdin;$")
INSERT = re.compile(rb"^INSERT INTO (?P<schema>" + NAME + rb")\.(?P<table>" + NAME + rb") ")
CREATE_TABLE = re.compile(
    rb"^CREATE (?:UNLOGGED )?TABLE (?P<schema>" + NAME + rb")\.(?P<table>" + NAME + rb") "
)
EXTENSION = re.compile(
    r'^CREATE EXTENSION (?:IF NOT EXISTS )?(?P<name>"[^"]+"|\S+?)'
    r'(?: WITH SCHEMA (?P<schema>"[^"]+"|\S+?))?;$'
)
# Has nothing of anybody's: who measures a site makes it, and a site that nobody measures may not
# even have its package.
MEASURING_EXTENSION = "hypopg"
QUOTES = re.compile(rb"""'|"|--|\\|\$(?:[A-Za-z_]\w*)?\$""")
# Owners, privileges and what belongs to the server, each up to its semicolon.
SKIPPED = re.compile(
    rb"^(?:ALTER [A-Z ]+ .+ OWNER TO .+;$|GRANT |REVOKE |ALTER DEFAULT PRIVILEGES |"
    rb"CREATE EXTENSION |COMMENT ON EXTENSION |CREATE SCHEMA public;|COMMENT ON SCHEMA public |"
    rb"SET SESSION AUTHORIZATION |SET default_tablespace |SECURITY LABEL |"
    rb"(?:CREATE |ALTER |COMMENT ON )(?:EVENT TRIGGER|PUBLICATION|SUBSCRIPTION) )"
)
SKIPPED_COMMAND = re.compile(rb"^\\(?:un)?restrict ")  # of psql, so without a semicolon
# With --clean, of an empty database: nothing is there to drop before the first thing is made.
CLEANING = re.compile(rb"^(?:DROP|ALTER) ")
MENTIONED = re.compile(rb"^CREATE (?:EVENT TRIGGER|PUBLICATION|SUBSCRIPTION) ")
# pg_dump writes both, whatever its options.
BEGINNING, END = b"-- PostgreSQL database dump", b"-- PostgreSQL database dump complete"
WHOLE_CLUSTER = re.compile(rb"^(?:\\connect |CREATE DATABASE |CREATE ROLE )")


@dataclass
class Dump:
    """What is known of a dump once it has been read to its end."""

    rows: dict[str, int] = field(default_factory=dict)
    extensions: list[dict[str, str]] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)


def extension_of(line: str) -> dict[str, str] | None:
    """The `name` and `schema` ("" for none) of a statement that makes an extension; else None.

    None for the one that measures, too: data never needs it.
    """
    found = EXTENSION.match(line)
    if found and found["name"].strip('"') == MEASURING_EXTENSION:
        return None
    return {k: (v or "").strip('"') for k, v in found.groupdict().items()} if found else None


def table_of(found: re.Match[bytes]) -> str:
    """The table that a statement names, as `schema.table` without quotes."""
    names = (found["schema"], found["table"])
    plain = [n[1:-1].replace(b'""', b'"') if n.startswith(b'"') else n for n in names]
    return b".".join(plain).decode(errors="replace")


def count_rows(lines: Iterable[bytes]) -> dict[str, int]:
    """The rows by table, from lines of SQL."""
    dump = Dump()
    for _ in clean(lines, dump):
        pass
    return dump.rows


def clean(lines: Iterable[bytes], dump: Dump) -> Iterator[bytes]:
    """Yield what is loaded, and note in `dump` what else there is.

    Raises:
        ImportingError: it is a dump of a whole cluster, has a command of psql in it, or is cut off.
    """
    table, text, is_skipped = "", b"", False
    several, wants_end, is_empty = "", False, True
    for line in lines:
        bare = line.rstrip(b"\r\n")
        if table:  # rows of COPY, a line each
            if bare == b"\\.":
                table = ""
            else:
                dump.rows[table] += 1
            yield line
        elif is_skipped or (
            not text and (SKIPPED.match(bare) or (is_empty and CLEANING.match(bare)))
        ):
            if not is_skipped and (extension := extension_of(bare.decode(errors="replace"))):
                dump.extensions.append(extension)
            if not is_skipped and MENTIONED.match(bare):
                dump.left_out.append(bare.decode(errors="replace"))
            text = _open_text(bare, text)
            is_skipped = bool(text) or not bare.endswith(b";")
        elif text:  # the body of a function, a text with several lines
            text = _open_text(bare, text)
            yield line
        elif SKIPPED_COMMAND.match(bare):
            pass
        elif WHOLE_CLUSTER.match(bare):
            raise ImportingError(
                "the dump is of a whole server, or makes its database itself. Make one of the "
                "database alone: pg_dump --format=custom --no-owner --no-privileges DATABASE."
            )
        else:
            is_empty = is_empty and not bare.startswith(b"CREATE ")
            if bare in (BEGINNING, END):
                wants_end = bare == BEGINNING
            if copied := COPY.match(bare):
                table = table_of(copied)
                dump.rows.setdefault(table, 0)
            elif inserted := INSERT.match(bare):
                # With --rows-per-insert, its rows have lines of their own.
                name = table_of(inserted)
                several = name if bare.endswith(b" VALUES") else ""
                dump.rows[name] = dump.rows.get(name, 0) + (not several)
            elif several and bare.startswith(b"\t("):
                dump.rows[several] += 1
            elif created := CREATE_TABLE.match(bare):
                dump.rows.setdefault(table_of(created), 0)
            text = _open_text(bare, b"")
            # That of an extension is there already.
            yield (
                line.replace(b"CREATE SCHEMA ", b"CREATE SCHEMA IF NOT EXISTS ")
                if (bare.startswith(b"CREATE SCHEMA ") and b"IF NOT EXISTS" not in bare)
                else line
            )
    if table or text or is_skipped or wants_end:
        raise ImportingError("the dump is cut off: its end is missing. Copy or make it once more.")


def _open_text(line: bytes, quote: bytes) -> bytes:
    """The quote that is open at the end of a line: `'`, `"` or `$…$`.

    `quote` is the one at its beginning. A doubled one within a text closes and opens it.

    Raises:
        ImportingError: there is a command of psql in it, which SQL has no backslash for.
    """
    for found in QUOTES.findall(line):
        if not quote:
            if found == b"--":  # a comment, to the end of the line
                break
            if found == b"\\":
                raise ImportingError(f"the dump has a command of psql in it, {line[:40]!r}.")
            quote = found
        elif found == quote:
            quote = b""
    return quote
