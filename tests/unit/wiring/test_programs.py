"""Programs for machines are packed into zipapps, byte-identical for the same source."""

from __future__ import annotations

import ast
import io
import shutil
import sys
import zipfile
from pathlib import Path

import pytest

from espalier.paths import MACHINE
from espalier.wiring import programs
from espalier.wiring.programs import program, program_files, program_paths

NAMES = ["release", "postgresql-replica"]


def entries(name: str) -> list[zipfile.ZipInfo]:
    return zipfile.ZipFile(io.BytesIO(program(name).content)).infolist()


def pack_again(name: str) -> programs.Program:
    return program.__wrapped__(name)


@pytest.mark.parametrize("name", NAMES)
def test_zipapp_is_stored_sorted_and_has_fixed_dates_and_modes(name: str) -> None:
    found = entries(name)
    assert [entry.filename for entry in found] == sorted(entry.filename for entry in found)
    assert {entry.compress_type for entry in found} == {zipfile.ZIP_STORED}
    assert {entry.date_time for entry in found} == {(1980, 1, 1, 0, 0, 0)}
    assert {entry.external_attr >> 16 for entry in found} == {0o100644}


def test_same_source_gives_the_same_bytes_wherever_and_whenever_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(MACHINE, tmp_path / "machine", copy_function=shutil.copyfile)
    package = tmp_path / "machine/espalier_machine/release"
    (package / "__pycache__").mkdir(exist_ok=True)
    (package / "__pycache__/cli.cpython-313.pyc").write_bytes(b"")
    (package / ".cli.py.swp").write_bytes(b"")
    (package / "cli.py~").write_bytes(b"")
    monkeypatch.setattr(programs, "MACHINE", tmp_path / "machine")
    assert pack_again("release") == program("release")
    (package / "cli.py").write_text((package / "cli.py").read_text() + "\n")
    other = pack_again("release")
    assert other.filename != program("release").filename
    assert pack_again("postgresql-replica") == program("postgresql-replica")


def test_each_zipapp_has_its_package_and_what_is_shared_only() -> None:
    rooms = {name: {e.filename.split("/")[1] for e in entries(name)[1:]} for name in NAMES}
    assert rooms == {
        "release": {"__init__.py", "common", "release"},
        "postgresql-replica": {"__init__.py", "common", "replica"},
    }
    assert "espalier_machine/release/templates/schedule.timer" in {
        entry.filename for entry in entries("release")
    }


def test_zipapp_is_written_before_the_command_that_runs_it() -> None:
    zipapp, wrapper = program_files("release")
    assert zipapp["path"] == f"/usr/local/lib/espalier/{program('release').filename}"
    assert zipapp["mode"] == "0644"
    assert wrapper == {
        "path": "/usr/local/sbin/release",
        "content": f'#!/bin/sh\nexec /usr/bin/python3 -I -S {zipapp["path"]} "$@"\n',
        "mode": "0755",
    }
    assert program_paths("release") == [zipapp["path"], wrapper["path"]]


def test_programs_import_the_standard_library_only() -> None:
    for path in (MACHINE / "espalier_machine").rglob("*.py"):
        if "templates" in path.parts:  # run by the project's own Python
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            for name in names:
                top = name.split(".")[0]
                assert top in sys.stdlib_module_names or top == "espalier_machine", path
