"""A dump in pg_dump's custom format: what is in it, and what of it is loaded."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from espalier_machine.importing.errors import ImportingError
from espalier_machine.importing.postgresql import run, started
from espalier_machine.importing.sql import count_rows, extension_of

# Kinds of entries that only a superuser could make, or that belong to the server and not to the
# data. Extensions and the schemas are made beforehand.
LEFT_OUT = (
    "EXTENSION",
    "COMMENT - EXTENSION",
    "EVENT TRIGGER",
    "COMMENT - EVENT TRIGGER",
    "PUBLICATION",
    "PUBLICATION TABLE",
    "PUBLICATION TABLES IN SCHEMA",
    "SUBSCRIPTION",
    "PROCEDURAL LANGUAGE",
    "SCHEMA - public",
    "COMMENT - SCHEMA public",
)
MENTIONED = ("EVENT TRIGGER", "PUBLICATION", "SUBSCRIPTION")
# What the kit keeps in a site's database for a pool, from which it is copied.
KIT_SCHEMA = "espalier_pooler"
# Heroku's watches over extensions in the first one; the kit measures from the last one.
OTHERS_SCHEMAS = ("_heroku", KIT_SCHEMA, "espalier_insight")
# `217; 1259 16386 TABLE public garden_tree orchard`; a comment begins with a semicolon.
ENTRY = re.compile(r"^\d+; \d+ \d+ (?P<what>.+)$")


def left_out(what: str) -> bool:
    """Whether an entry of the table of contents is not loaded; `what` is it without its numbers."""
    return what.startswith(tuple(f"{kind} " for kind in LEFT_OUT)) or _is_another_s(what)


def _is_another_s(what: str) -> bool:
    """Whether an entry is of a schema that is Heroku's, or the kit's."""
    return any(f" {schema} " in f"{what} " for schema in OTHERS_SCHEMAS)


def choose(listing: str) -> tuple[list[str], list[str], list[str]]:
    """Divide a table of contents, as `pg_restore --list` prints it.

    Returns:
        The lines to load; the lines of extensions; and in words what a person should know of that
        is not loaded.
    """
    load, extensions, mentioned = [], [], []
    for line in listing.splitlines():
        found = ENTRY.match(line)
        if not found:
            continue
        what = found["what"]
        if what.startswith("EXTENSION "):
            extensions.append(line)
        if not left_out(what):
            load.append(line)
        elif what.startswith(MENTIONED):
            mentioned.append(what)
    return load, extensions, mentioned


def inspect(folder: Path, dump: str) -> dict[str, Any]:
    """Look into a dump; writes `list`, of the entries to load, beside it.

    Returns:
        `extensions`: the `name` and `schema` of each; `left_out`: what is not loaded, in words;
        `rows` by table.
    """
    load, extension_lines, mentioned = choose(
        run(folder, ["pg_restore", "--list", dump], "the dump cannot be read")
    )
    extensions: list[dict[str, str]] = []
    if extension_lines:
        (folder / "extensions").write_text("\n".join(extension_lines) + "\n")
        argv = ["pg_restore", "--use-list=extensions", "--file=-", dump]
        text = run(folder, argv, "the dump cannot be read")
        extensions = [found for line in text.splitlines() if (found := extension_of(line))]
    (folder / "list").write_text("\n".join(load) + "\n")
    argv = ["pg_restore", "--data-only", "--use-list=list", "--file=-", dump]
    rows = rows_of(folder, argv, "the dump cannot be read")
    return {"extensions": extensions, "left_out": mentioned, "rows": rows}


def rows_of(folder: Path, argv: Sequence[str], what: str) -> dict[str, int]:
    """Count the rows by table in the SQL that a program writes.

    Raises:
        ImportingError: it failed; `what` begins the sentence.
    """
    with started(folder, argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as job:
        assert job.stdout and job.stderr
        lines: Iterable[bytes] = job.stdout
        rows = count_rows(lines)
        errors = job.stderr.read().decode(errors="replace")
    if job.returncode:
        raise ImportingError(f"{what}: {errors.strip()}", errors)
    return rows


def load(folder: Path, dump: str, login: Mapping[str, str], database: str, jobs: int) -> None:
    """Load the entries of `list` into an empty database; everything belongs to who logs in.

    Raises:
        ImportingError: with pg_restore's own words; nothing is done after the first error.
    """
    argv = ["pg_restore", "--exit-on-error", "--no-owner", "--no-privileges", "--no-tablespaces"]
    argv += ["--no-security-labels", "--no-publications", "--no-subscriptions", "--use-list=list"]
    argv += [f"--jobs={jobs}", f"--dbname={database}", dump]
    run(folder, argv, "the dump cannot be loaded", login=login)
