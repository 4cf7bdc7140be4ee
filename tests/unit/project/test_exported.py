"""Lock files that a tool of their own exports. Here something else stands for the tool."""

from __future__ import annotations

import json
import subprocess
import tarfile
import tomllib
from pathlib import Path

import pytest
import yaml

from espalier import paths
from espalier.project.errors import ProjectError
from espalier.project.exported import VERSIONS, export
from espalier.project.pack import pack
from espalier.project.source.process import run as really_run
from tests.unit.project.samples import PLAIN, detected, fetched, write

LOCK = '[[package]]\nname = "django"\n'
POETRY = (
    '[tool.poetry]\nname = "x"\n[tool.poetry.requires-plugins]\nevil = "*"\n'
    "[tool.poetry.group.prod.dependencies]\n[tool.poetry.extras]\npg = []\n"
)
FILES = {"poetry.lock": LOCK, "pyproject.toml": POETRY}
PIPENV = {"Pipfile": "", "Pipfile.lock": json.dumps({"_meta": {}, "default": {"django": {}}})}


class Tool:
    """Stands for uv, which would start the tool: says what it was told, and what it saw."""

    def __init__(self, *answers: tuple[int, str, str]) -> None:
        """What it answers, one after the other; the last one for ever."""
        self.answers, self.calls, self.seen = list(answers), [], {}

    def __call__(self, argv, *, timeout, environ):
        """Be started as `process.run` starts a program."""
        self.calls.append(list(argv))
        words = list(argv)
        where = Path(words[words.index("-C") + 1] if "-C" in words else environ["PIPENV_PIPFILE"])
        folder = where if where.is_dir() else where.parent
        self.seen = {path.name: path.read_text() for path in folder.iterdir()}
        code, out, error = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return subprocess.CompletedProcess(argv, code, out.replace("HERE", str(folder)), error)


def exported(tmp_path, tool, files=FILES, **values):
    found = detected(tmp_path, {"requirements.txt": None, **files}, **values)
    _, source = fetched(tmp_path / "site", **values)
    return export(source, found, tmp_path / "cache", "project.yml", tool)


def test_poetry_is_asked_once_for_the_same_lock(tmp_path):
    out = "-e file://HERE/libs/foo ; python_version > '3'\ndjango==5.2 \\\n    --hash=sha256:ab\n"
    tool = Tool((0, f"--extra-index-url https://x.example/\n\n{out}", "a warning"))
    text = exported(tmp_path, tool, groups=["pg", "prod"])
    assert "-e ./libs/foo ; python_version > '3'" in text
    assert "--hash=sha256:ab" in text
    assert "index-url" not in text
    assert exported(tmp_path, tool, groups=["pg", "prod"]) == text
    assert len(tool.calls) == 1
    [call] = tool.calls
    assert call[call.index("--with", call.index("export")) + 1] == "prod"
    assert call[call.index("--extras") + 1] == "pg"
    assert exported(tmp_path, tool, groups=["pg"])
    assert len(tool.calls) == 2


def test_the_tool_sees_two_files_and_no_plugins(tmp_path):
    tool = Tool((0, "django==5.2\n", ""))
    exported(tmp_path, tool)
    assert sorted(tool.seen) == ["poetry.lock", "pyproject.toml"]
    assert "requires-plugins" not in tomllib.loads(tool.seen["pyproject.toml"])["tool"]["poetry"]


@pytest.mark.parametrize(
    ("files", "answer", "sentence"),
    [
        (
            FILES,
            (1, "", "pyproject.toml changed significantly since poetry.lock was last generated."),
            "poetry.lock is older than its pyproject.toml, so it may lack a requirement: run `poet",
        ),
        (
            PIPENV,
            (1, "Pipfile.lock is out-of-date. Run pipenv lock", ""),
            "Pipfile.lock is older than its Pipfile, so it may lack a requirement: run `pipenv lo",
        ),
        (
            FILES,
            (2, "", "error: Failed to fetch: `https://me:secret@x.example/`\n  cause: dns error"),
            "read by poetry, which is not here yet, and the Python index cannot be reached",
        ),
        (FILES, (1, "", "/p/bin/python: No module named uv"), "-m pip install uv`"),
        (FILES, (1, "", "Bad https://me:secret@x.example/"), "by poetry: Bad https://x.example/."),
    ],
)
def test_refusals(tmp_path, files, answer, sentence):
    with pytest.raises(ProjectError) as caught:
        exported(tmp_path, Tool(answer), files)
    assert sentence in str(caught.value)
    assert "secret" not in str(caught.value)


def test_the_archive_holds_what_was_exported(tmp_path, overlay):
    site = write(tmp_path / "site", {**PLAIN, **PIPENV})
    (site / "requirements.txt").unlink()
    tool = Tool((0, "django==5.2\n", ""))

    def run(argv, **options):
        return tool(argv, **options) if "pipenv" in argv else really_run(argv, **options)

    values = {"directory": str(site), "name": "shop", "domains": ["shop.example"]}
    packed = pack(values, tmp_path, tmp_path / "cache", overlay, run=run)
    asked = packed.archive.build["requirements"]
    assert asked == {"kind": "requirements", "path": "code/Pipfile.lock.txt", "spec": ""}
    with tarfile.open(packed.archive.path) as tar:
        member = tar.extractfile("code/Pipfile.lock.txt")
        assert member and member.read() == b"django==5.2\n"


def test_machines_have_the_uv_of_the_control_machine():
    """Which Pythons it can bring is asked here, and they are fetched there."""
    defaults = yaml.safe_load((paths.KIT / "roles/django/defaults/main.yml").read_text())
    pyproject = tomllib.loads((paths.KIT / "pyproject.toml").read_text())
    assert f"uv=={defaults['django_uv_version']}" in pyproject["project"]["dependencies"]


@pytest.mark.parametrize("tool", ["poetry", "pdm", "pipenv"])
def test_every_version_of_a_tool_is_pinned(tool):
    lines = [
        line
        for line in (VERSIONS / f"{tool}.txt").read_text().splitlines()
        if not line.startswith("#")
    ]
    assert any(line.startswith(f"{tool}==") for line in lines)
    assert all("==" in line.partition(";")[0] for line in lines)
