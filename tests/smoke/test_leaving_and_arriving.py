"""Issue 11: surprises are refused before anything is changed, and data comes in from elsewhere."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

Typed = Callable[..., CompletedProcess[str]]
# As if a migration of another project had made it: the site's own are applied to it.
DUMP = """-- PostgreSQL database dump
CREATE TABLE public."Kept" (id integer);
ALTER TABLE public."Kept" OWNER TO somebody_else;
COPY public."Kept" (id) FROM stdin;
1
2
3
\\.
-- PostgreSQL database dump complete
"""


def test_machine_that_carries_another_site_is_refused(inventory_path: Path, typed: Typed) -> None:
    project = json.dumps({"project": {"directory": "examples/orchard", "name": "another"}})
    done = typed("ansible-playbook", "site.yml", "-i", str(inventory_path), "-e", project)
    assert done.returncode != 0
    output = done.stdout + done.stderr
    assert "vps1 carries the site orchard, and this inventory is of another" in output
    assert "changed=0" in done.stdout


def test_removal_wants_the_site_s_name(inventory_path: Path, typed: Typed) -> None:
    asked = typed("espalier", "remove", "-i", str(inventory_path))
    assert asked.returncode == 2
    assert "orchard" in asked.stdout, "it says what would happen first"
    assert "add --yes orchard" in asked.stderr
    wrong = typed("espalier", "remove", "-i", str(inventory_path), "--yes", "till")
    assert wrong.returncode == 2
    assert "the site is orchard. Nothing was changed." in wrong.stderr


def test_database_of_another_kind_is_refused(inventory_path: Path, typed: Typed) -> None:
    done = typed("espalier", "import", "-i", str(inventory_path), "--database", "sqlite:///db")
    assert done.returncode == 2
    assert "dumpdata" in done.stderr


def test_dump_and_uploads_come_in(
    inventory_path: Path, tmp_path: Path, make: Callable[..., str], typed: Typed
) -> None:
    (tmp_path / "dump.sql").write_text(DUMP)
    (tmp_path / "media/2026").mkdir(parents=True)
    (tmp_path / "media/2026/kept.txt").write_text("kept")
    words = ["--dump", str(tmp_path / "dump.sql"), "--media", str(tmp_path / "media")]
    refused = typed("espalier", "import", "-i", str(inventory_path), *words)
    assert refused.returncode == 2
    assert "The site has rows of its own: public." in refused.stderr
    assert "garden_tree (" in refused.stderr
    done = typed("espalier", "import", "-i", str(inventory_path), *words, "--replace")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Kept   3            3" in done.stdout
    assert "1 upload, 4 bytes, on vps1." in done.stdout
    owner = "select tableowner from pg_tables where tablename = 'Kept'"
    assert "orchard" in make("psql", f"CMD={owner}")
    make("load", "LOAD=--read-only --seconds 3")
