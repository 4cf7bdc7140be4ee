"""A dump of a database that runs elsewhere, and its rows at the very moment of the dump."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from espalier_machine.importing.errors import ImportingError
from espalier_machine.importing.postgresql import (
    COUNT,
    SOURCE,
    counts,
    extension_tables,
    psql,
    server,
)
from espalier_machine.importing.sql import MEASURING_EXTENSION

EXTENSIONS = (
    "SELECT extname FROM pg_extension "
    f"WHERE extname NOT IN ('plpgsql', '{MEASURING_EXTENSION}') ORDER BY 1"
)
PG_DUMP = (
    "pg_dump --format=custom --no-owner --no-privileges --file=dump "
    f"--snapshot=\"$SNAPSHOT\" '{SOURCE}' 2>dump.log || touch dump.failed"
)
# One snapshot for the dump and for the count: whoever writes meanwhile changes neither.
DUMP = f"""
BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
SELECT pg_export_snapshot() AS snapshot \\gset
\\setenv SNAPSHOT :snapshot
\\! {PG_DUMP}
{COUNT}
COMMIT;
"""


def look(folder: Path) -> dict[str, Any]:
    """What is there: the server's version, its extensions, the size of the database in bytes."""
    size = psql(folder, SOURCE, "SELECT pg_database_size(current_database())", "the source")
    return {
        "version": server(folder, SOURCE),
        "extensions": [row[0] for row in psql(folder, SOURCE, EXTENSIONS, "the source")],
        "bytes": int(size[0][0]),
    }


def dump(folder: Path) -> dict[str, Any]:
    """Write the file `dump` into the import's directory; gives the rows of each table in it.

    Without those of extensions, which are named.

    Raises:
        ImportingError: with pg_dump's own words.
    """
    (folder / "dump.failed").unlink(missing_ok=True)
    rows = psql(folder, SOURCE, DUMP, "the rows of the source cannot be counted")
    if (folder / "dump.failed").exists():
        log = (folder / "dump.log").read_text(errors="replace")
        first = next(iter(log.strip().splitlines()), "no output")
        raise ImportingError(f"the source cannot be dumped: {first}", log)
    return {"rows": counts(rows), "of_extensions": extension_tables(folder, SOURCE)}
