"""The project's own build, in a new release before its static files are collected."""

from __future__ import annotations

from pathlib import Path

import pytest

from espalier_machine.release import project_build
from espalier_machine.release.project_build import explain_build

from .fakes import deploy, run_json

MAKE = (
    "mkdir -p node_modules/vite static/dist && echo x > node_modules/vite/package.json && "
    'echo "$npm_config_cache" > static/dist/app.js'
)


def built(*commands, **changes):
    return {"commands": list(commands), "detected": False, "node": False, "engines": ""} | changes


def test_what_is_built_is_collected_and_what_was_installed_is_not_kept(machine, tmp_path, capsys):
    files = {"code/lib/node_modules/own.js": "tracked in git"}
    status, _ = deploy(capsys, tmp_path, "r1", "1" * 16, files=files, build=built(MAKE))
    assert status == 0
    assert (machine.static / "dist/app.js").read_text() == f"{machine.cache}/npm\n"
    code = machine.root / "current/code"
    assert not (code / "node_modules").exists()
    assert (code / "lib/node_modules/own.js").exists()


def test_what_was_installed_is_kept_for_a_process_that_runs_node(machine, tmp_path, capsys):
    worker = {"ssr": {"command": "node server.js", "count": 1, "single": False}}
    deploy(capsys, tmp_path, "r1", "1" * 16, build=built(MAKE), processes=worker)
    assert (machine.root / "current/code/node_modules/vite/package.json").exists()


def test_a_build_that_fails_leaves_the_live_release_and_says_why(machine, tmp_path, capsys):
    deploy(capsys, tmp_path, "r1", "1" * 16)
    command = "echo 'npm error code ENOTFOUND' >&2; echo 'npm error network x' >&2; exit 1"
    status, result = deploy(capsys, tmp_path, "r2", "2" * 16, build=built(command, detected=True))
    assert (status, result["step"], result["live"]["id"]) == (1, "build", "r1")
    assert "npm's registry cannot be reached from this machine" in result["error"]
    assert "where what it makes is in git, write `build: []`" in result["error"]
    assert [path.name for path in machine.releases.iterdir()] == ["r1"]


@pytest.mark.parametrize("fits", ["true", "false"])
def test_a_node_that_debian_has_not_is_npms(machine, tmp_path, capsys, monkeypatch, fits):
    programs = tmp_path / "programs"
    programs.mkdir()
    # Stand for node, which says whether it is what is asked for, and for npx.
    (programs / "node").write_text(f"#!/bin/sh\n[ \"$3\" = '>=22' ] && echo {fits}\n")
    (programs / "npx").write_text(
        '#!/bin/sh\nBY="npx $2 " npm_config_package=x; export BY npm_config_package\n'
        'shift 3; exec "$@"\n'
    )
    for name in ("node", "npx"):
        (programs / name).chmod(0o755)
    (machine.config.environment_file).write_text(f'PATH="{programs}:/usr/bin:/bin"\n')
    monkeypatch.setattr(project_build, "require_node", lambda machine, build: None)
    command = 'mkdir -p static && printf "%s" "$BY$npm_config_package" > static/by.txt'
    build = built(command, node=True, engines=">=22")
    status, told = deploy(capsys, tmp_path, "r1", "1" * 16, build=build)
    assert status == 0, told
    by = (machine.static / "by.txt").read_text()
    assert by == ("npx --package=node@>=22 " if fits == "false" else "")


def test_node_may_take_most_of_what_the_build_may_have(machine, tmp_path, capsys):
    command = 'mkdir -p static && printf "%s" "$NODE_OPTIONS" > static/options.txt'
    status, told = deploy(capsys, tmp_path, "r1", "1" * 16, build=built(command))
    assert status == 0, told
    option, size = (machine.static / "options.txt").read_text().split("=")
    assert option == "--max-old-space-size"
    assert int(size) > 0
    sentence = explain_build("FATAL ERROR: JavaScript heap out of memory", "x", True, Path("/"))
    assert "needs more memory than can be spared here" in sentence


def test_a_package_that_wants_a_newer_node_says_what_to_write():
    output = 'error vue-i18n@11.4.6: The engine "node" is incompatible with this module. '
    output += 'Expected version ">= 22". Got "20.19.2"'
    assert 'write `node: ">=22"` in project.yml' in explain_build(output, "x", True, Path("/"))


def test_a_machine_without_npm_is_told_before_anything_is_built(
    machine, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(project_build.shutil, "which", lambda name, path: None)
    status, result = deploy(capsys, tmp_path, "r1", "1" * 16, build=built("npm ci", node=True))
    assert (status, result["step"]) == (1, "build")
    assert "run `espalier site`, which installs it" in result["error"]
    assert list(machine.build.iterdir()) == []
    assert run_json(capsys, "list")[1]["releases"] == []


@pytest.mark.parametrize(
    ("output", "words"),
    [
        (
            "npm error code EUSAGE\nnpm error\nnpm error `npm ci` can only install",
            "can only install",
        ),
        ("> build\n> vite build\nerror during build:\nCould not resolve", "error during build"),
        ("CommandError: Can't find msgfmt. Make sure", "`packages: [gettext]`"),
        ("sh: 1: tailwindcss: not found", "tailwindcss: not found"),
        ("npm ERR! ENOSPC: no space left on device", "is full"),
    ],
)
def test_failures_of_a_build_say_what_to_change(output, words):
    sentence = explain_build(output, "npm ci", False, Path("/"))
    assert words in sentence
    assert "build: []" not in sentence
