"""The step that brings one table and one upload back, beside the live ones."""

from __future__ import annotations

import re
import shlex
import time
from datetime import datetime
from functools import partial

from lab import LAB, VPS, on, psql

from tests.steps import demand, soon

TREES = """
DROP TABLE IF EXISTS "Old Trees"; DROP TYPE IF EXISTS kind CASCADE;
CREATE TYPE kind AS ENUM ('apple', 'pear');
CREATE TABLE "Old Trees" (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, kind kind NOT NULL, height numeric NOT NULL,
  twice numeric GENERATED ALWAYS AS (height * 2) STORED, note text NOT NULL DEFAULT 'none'
);
CREATE INDEX ON "Old Trees" (note);
ALTER TABLE "Old Trees" OWNER TO orchard;
INSERT INTO "Old Trees" (kind, height) SELECT 'pear', n FROM generate_series(1, 1000) n
"""
CONTENT = """SELECT count(*), md5(string_agg(t::text, ',' ORDER BY id)) FROM {} t"""
UNTOUCHED = "SELECT pg_postmaster_start_time(), failed_count FROM pg_stat_archiver"
FILE = "/srv/orchard/media/single/tree.jpg"
SAVE = "systemctl start espalier-uploads-backup.service"


def single() -> None:
    """One table and one upload of a moment come back beside the live ones, which stay as they are.

    With a replica, too, where the step before has left one.
    """
    psql(VPS, TREES)
    on(VPS, f"mkdir -p {FILE.rpartition('/')[0]}; echo before > {FILE}; {SAVE}")
    time.sleep(2)
    moment, before = datetime.now().astimezone(), psql(VPS, CONTENT.format('"Old Trees"'))
    state = psql(VPS, UNTOUCHED)
    time.sleep(2)
    psql(VPS, 'DELETE FROM "Old Trees" WHERE id > 10; UPDATE "Old Trees" SET note = \'new\'')
    on(VPS, f"echo after > {FILE}; {SAVE}")
    table_back(moment, before)
    demand(psql(VPS, UNTOUCHED) == state, "PostgreSQL was restarted, or archived from two clusters")
    table_refused(moment)
    dropped_table_back()
    upload_back(moment)


def table_back(moment: datetime, before: str) -> None:
    """The rows of the moment are there, and what is printed brings them into the live table."""
    live = psql(VPS, CONTENT.format('"Old Trees"'))
    said = LAB.espalier("restore", "--table", "Old Trees", "--to", moment.isoformat())
    new = quoted(said)
    demand(psql(VPS, CONTENT.format(new)) == before, f"not the rows of the moment: {said}")
    demand("1000 rows" in said, said)
    demand(psql(VPS, CONTENT.format('"Old Trees"')) == live, "the live table was changed")
    owner = (
        f"SELECT tableowner FROM pg_tables WHERE format('%I.%I', schemaname, tablename) = '{new}'"
    )
    demand(psql(VPS, owner) == "orchard", "the table does not belong to the site")
    count = f"SELECT count(*) FROM {new}"
    for replica in psql(VPS, "SELECT host(client_addr) FROM pg_stat_replication").split():
        is_there = partial(has, replica, count, "1000")
        demand(soon(is_there), f"it is not on {replica}")
    run_printed(said, "INSERT")
    counts = "SELECT count(*), count(*) FILTER (WHERE note = 'new'), sum(twice) FROM \"Old Trees\""
    demand(psql(VPS, counts) == "1000|10|1001000", f"{psql(VPS, counts)} after {said}")


def table_refused(moment: datetime) -> None:
    """What is there already, and what never was, is told; and nothing is left of the try."""
    again = ("restore", "--table", "Old Trees", "--to", moment.isoformat())
    demand("is there already" in LAB.espalier(*again, status=1), "a second one was made")
    wrong = ("restore", "--table", "Old Treez", "--to", moment.isoformat())
    said = LAB.espalier(*wrong, status=1)
    demand("did you mean Old Trees?" in said, said)
    on(VPS, "! test -e /var/lib/espalier/database-backup/drill")
    both = ("restore", "--table", "a", "--upload", "b", "--to", "latest")
    demand("name one of them" in LAB.espalier(*both, status=2), "both at once were taken")


def dropped_table_back() -> None:
    """A table that was just dropped comes back by its DROP, with nothing live to compare."""
    psql(VPS, 'ALTER TABLE "Old Trees" RENAME TO gone')
    before = psql(VPS, CONTENT.format("gone"))
    psql(VPS, "DROP TABLE gone")
    said = LAB.espalier("restore", "--table", "gone", "--before", "DROP TABLE gone")
    demand("public.gone is gone" in said, said)
    demand(psql(VPS, CONTENT.format(quoted(said))) == before, f"not the rows of then: {said}")
    run_printed(said, "DROP")
    demand(psql(VPS, f"SELECT to_regclass('{quoted(said)}')") == "", "it was not dropped")


def upload_back(moment: datetime) -> None:
    """The file of the moment is beside the live one, and what is printed puts it in its place."""
    said = LAB.espalier("restore", "--upload", "single/tree.jpg", "--to", moment.isoformat())
    demand(on(VPS, f"cat {FILE}") == "after\n", "the live upload was changed")
    beside = re.search(rf"{re.escape(FILE)}\.restored-[0-9-]+", said)
    demand(beside, f"nothing came back: {said}")
    if beside:
        demand(on(VPS, f"cat {beside[0]}") == "before\n", "it is not the upload of the moment")
    on(VPS, next(line for line in said.splitlines() if line.startswith("  mv ")))
    demand(on(VPS, f"cat {FILE}") == "before\n", "it did not take its place")
    none = ("restore", "--upload", "single/none.jpg", "--to", "latest")
    demand("is the path right?" in LAB.espalier(*none, status=1), "an upload that never was")


def has(address: str, question: str, answer: str) -> bool:
    """Whether a machine's database gives an answer."""
    return psql(address, question) == answer


def quoted(said: str) -> str:
    """The table that has come, as SQL has it, from the statement that drops it."""
    return printed(said, "DROP").removeprefix("DROP TABLE ")


def printed(said: str, word: str) -> str:
    """The statement that begins with a word, of those that are to be typed."""
    line = next(one for one in said.splitlines() if f" -c '{word} " in one)
    return shlex.split(line)[-1]


def run_printed(said: str, word: str) -> None:
    """Type it."""
    LAB.espalier("psql", "-c", printed(said, word))
