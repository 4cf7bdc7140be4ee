"""What is said of the Python that a project gets on a machine, and how a machine is asked."""

from __future__ import annotations

import json
import subprocess

import pytest

from espalier.project.python_downloads import downloads
from espalier.wiring.pythons import chosen, refusal
from plugins.modules import pythons as module

WISH = {"python": "", "pythons": {"where": ".python-version", "requires": ">=3.12 (x)"}}
NOT_REACHED = {"https://a.example/f": "no such name", "https://a.example/g": "no such name"}


def found(version="", reached="", errors=(), here=("3.13",)):
    return {"found": version, "reached": reached, "errors": dict(errors), "here": list(here)}


def test_what_is_shown():
    there = chosen("vps1", WISH, ["3.12"], found("3.12"))
    assert there == "python       3.12 on vps1 (it is there)"
    brought = chosen("vps1", WISH, ["3.12"], found("3.12", "https://a.example/f"))
    assert brought == "python       3.12 on vps1 (uv brings it from a.example)"
    other = chosen("vps1", WISH, ["3.12", "3.13"], found("3.13", errors=NOT_REACHED))
    assert "3.13 on vps1 (3.12, which .python-version names, cannot be had: a.example (no" in other


def test_refusals():
    said = refusal("vps1", {"python": "3.12"}, found(errors=NOT_REACHED))
    assert "vps1 has Python 3.13, and project.python in project.yml is 3.12" in said
    assert said.count("a.example (no such name)") == 1
    assert said.endswith("Nothing was changed.")
    build = WISH | {"requirements": {"kind": "pyproject"}}
    assert "the project requires Python >=3.12 (x)" in refusal("vps1", build, found())
    assert "another version" not in refusal("vps1", build, found())
    build = WISH | {"requirements": {"kind": "requirements"}}
    assert "another version as `python:`" in refusal("vps1", build, found())


@pytest.mark.parametrize(("version", "is_there"), [("3.12", True), ("3.11", True), ("3.10", False)])
def test_what_is_on_a_machine(tmp_path, version, is_there):
    for name in ("bin/python3.11", "uv/cpython-3.12-linux/bin/python3.12", "bin/python3.10-config"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
        path.chmod(0o755)
    here = module.versions_here("3.9", (str(tmp_path / "bin"),), str(tmp_path / "uv"))
    assert here == ["3.9", "3.11", "3.12"]
    assert (version in here) is is_there


def test_a_file_of_a_mirror_is_asked_for(tmp_path):
    (tmp_path / "cpython+1.tar.gz").write_text("")
    assert module.asked(f"file://{tmp_path}/cpython%2B1.tar.gz") == ""
    assert module.asked(f"file://{tmp_path}/other") == "there is no such file on the machine"
    assert "refused" in module.asked("http://127.0.0.1:9/x")


def test_where_uv_would_get_it():
    url = "https://releases.astral.sh/github/python-build-standalone/releases/download/2026/x.gz"
    usual = {"implementation": "cpython", "os": "linux", "libc": "gnu", "variant": "default"}
    rows = [
        usual | {"arch": "x86_64", "version_parts": {"major": 3, "minor": 12}, "url": one}
        for one in (url, f"{url}.older")
    ]
    rows.append(rows[0] | {"libc": "musl", "url": "musl"})

    def run(argv, *, timeout):
        return subprocess.CompletedProcess(argv, 0, json.dumps(rows), "")

    github = "https://github.com/astral-sh/python-build-standalone/releases/download/2026/x.gz"
    assert downloads({"python": "3.12"}, run)["x86_64"] == {"3.12": [url, github]}
    mirrored = downloads({"python": "3.12", "python_mirror": "file:///m"}, run)
    assert mirrored["x86_64"]["3.12"] == ["file:///m/2026/x.gz"]
    assert downloads({"python": ""}, run) == {}
