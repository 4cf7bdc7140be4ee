"""Which Python a project asks for, and which one a machine takes."""

from __future__ import annotations

import pytest

from espalier.project.detection.python import specifiers
from espalier_machine.common.pythons import candidates
from tests.unit.project.samples import detected, undetected

POETRY = '[tool.poetry.dependencies]\npython = "{}"\ndjango = "*"\n'
LOCK = '[[package]]\nname = "django"\n'


def build(tmp_path, files, **values):
    python = detected(tmp_path, files, **values).python
    said = python.as_json_object()
    return {"python": python.stated} | ({"pythons": said} if said else {})


def test_nothing_said_is_the_machines_own(tmp_path):
    assert build(tmp_path, {}) == {"python": ""}
    assert candidates({"python": ""}, "3.13") == ["3.13"]


@pytest.mark.parametrize(
    ("files", "taken"),
    [
        ({".python-version": "3.12.4\n"}, ["3.12", "3.13"]),
        ({".python-version": "shop-env\n"}, ["3.13"]),
        ({"runtime.txt": "python-3.11.9\n"}, ["3.11", "3.13"]),
        ({"Pipfile": '[requires]\npython_version = "3.11"\n'}, ["3.11", "3.13"]),
        ({".python-version": "3.12", "runtime.txt": "python-3.11.1"}, ["3.12", "3.13"]),
        ({".python-version": "3.8\n"}, ["3.13"]),
        # A Dockerfile's counts where the machine's is newer, which old pins have no wheels for.
        ({"Dockerfile": "FROM docker.io/library/python:3.11-slim\n"}, ["3.11", "3.13"]),
        ({"Dockerfile": "FROM --platform=x python:3.14-slim\n"}, ["3.13"]),
        (
            {"Dockerfile": "ARG X='\\\\\nARG V=3.11.4\nFROM python:${V}-slim as base\n"},
            ["3.11", "3.13"],
        ),
        ({"Dockerfile": "FROM ghcr.io/astral-sh/uv:python3.12-bookworm\n"}, ["3.12", "3.13"]),
        (
            {
                "poetry.lock": LOCK,
                "pyproject.toml": POETRY.format(">=3.13.3,<3.13.8"),
                "requirements.txt": None,
            },
            ["3.13"],
        ),
        # A requirements file is installed without a look at requires-python.
        ({"pyproject.toml": '[project]\nrequires-python = "<3.12"\n'}, ["3.11", "3.10", "3.13"]),
        (
            {"pyproject.toml": '[project]\nrequires-python = ">=3.14"\n'},
            ["3.14", "3.15"],
        ),
        (
            {
                "pyproject.toml": '[project]\nrequires-python = ">=3.12"\n',
                ".python-version": "3.11",
            },
            ["3.13"],
        ),
        (
            {
                "poetry.lock": LOCK,
                "pyproject.toml": POETRY.format("~3.12"),
                "requirements.txt": None,
            },
            ["3.12"],
        ),
        (
            {
                "poetry.lock": LOCK,
                "pyproject.toml": POETRY.format(">=3.10,<3.13"),
                "requirements.txt": None,
            },
            ["3.12", "3.11", "3.10"],
        ),
    ],
)
def test_what_debian_13_takes(tmp_path, files, taken):
    assert candidates(build(tmp_path, files), "3.13") == taken


def test_stated(tmp_path):
    assert build(tmp_path / "a", {".python-version": "3.11"}, python="3.12") == {"python": "3.12"}
    assert candidates({"python": "3.12"}, "3.13") == ["3.12"]
    pyproject = '[project]\nname = "x"\nversion = "1"\ndependencies = ["django"]\n'
    pyproject += 'requires-python = ">=3.12"\n'
    files = {"pyproject.toml": pyproject, "requirements.txt": None}
    said = undetected(tmp_path / "b", files, python="3.11")
    assert "does not run on 3.11: pyproject.toml requires >=3.12" in said


def test_stated_against_what_nobody_compares(tmp_path):
    # What cookiecutter-django makes: a requirements file, and a newest Python for its tools.
    files = {"pyproject.toml": '[project]\nrequires-python = "==3.14.*"\n'}
    found = detected(tmp_path, files, python="3.13")
    assert (
        "note         Python 3.13 is tried, though pyproject.toml requires ==3.14.*" in found.notes
    )
    assert found.python.stated == "3.13"
    # What the tool of a lock file writes is a requirements file, too.
    poetry = {"poetry.lock": LOCK, "pyproject.toml": POETRY.format("^3.14")}
    found = detected(tmp_path / "b", poetry | {"requirements.txt": None}, python="3.13")
    assert found.python.stated == "3.13"


def test_no_python_that_the_kit_runs_on(tmp_path):
    pyproject = POETRY.format("~3.8")
    files = {"poetry.lock": LOCK, "pyproject.toml": pyproject, "requirements.txt": None}
    assert "runs on Python ~3.8 (pyproject.toml), and the kit on 3.10 to" in undetected(
        tmp_path, files
    )


def test_a_wish_that_is_not_followed_is_told(tmp_path):
    files = {"pyproject.toml": '[project]\nrequires-python = ">=3.12"\n', ".python-version": "3.11"}
    notes = detected(tmp_path, files).notes
    said = "Python 3.11 (.python-version) is not followed: pyproject.toml requires >=3.12"
    assert f"note         {said}" in notes


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        ("^3.8", "3.13", "2.7"),
        ("~3.11", "3.11", "3.12"),
        ("3.12", "3.12", "3.13"),
        ("3.*", "3.13", "4.0"),
        (">=3.10, <3.13", "3.12", "3.13"),
        (">=3.8 <3.12", "3.11", "3.12"),
        ("~3.9 || ^3.12", "3.13", "3.10"),
        ("!=3.9.0,>=3.9", "3.9", "3.8"),
        ("==3.12.*", "3.12", "3.11"),
    ],
)
def test_ranges_as_pep_440_and_poetry_write_them(text, inside, outside):
    ranges = specifiers(text)
    assert any(f"{inside}.5" in one for one in ranges)
    assert not any(f"{outside}.5" in one for one in ranges)


def test_what_is_no_range(tmp_path):
    assert specifiers("three") == []
