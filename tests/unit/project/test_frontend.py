"""The build of what browsers run: stated, or found in a package.json."""

from __future__ import annotations

import json

import pytest

from espalier.project.detection.detect import detect
from espalier.wiring.node import build_packages
from tests.unit.project.samples import (
    PLAIN,
    SETTINGS,
    detected,
    fetched,
    repository,
    undetected,
)

VITE = json.dumps({"scripts": {"build": "vite build"}, "engines": {"node": ">=18"}})
LOCK = "{}"


def test_a_package_json_with_a_build_script_is_built_and_shown(tmp_path):
    found = detected(tmp_path, {"package.json": VITE, "package-lock.json": LOCK})
    assert found.build.record() == {
        "commands": ["npm ci && npm run build"],
        "detected": True,
        "node": True,
        "engines": ">=18",
    }
    line = "build        npm ci && npm run build (package.json; `build: []` turns it off)"
    assert line in found.notes


@pytest.mark.parametrize(
    ("files", "values"),
    [
        ({}, {}),
        ({"package.json": '{"scripts": {"test": "grunt test"}}'}, {}),
        ({"package.json": '{"scripts": 5}'}, {}),
        ({"docs/package.json": VITE}, {}),
        ({"package.json": VITE}, {"build": []}),
        ({"package.json": VITE}, {"node": False}),
    ],
)
def test_nothing_is_built_without_one_or_where_it_is_turned_off(tmp_path, files, values):
    build = detected(tmp_path, files, **values).build
    assert (build.commands, build.record()) == ((), {})


@pytest.mark.parametrize(
    ("files", "command"),
    [
        ({}, "npm install --no-save && npm run build"),
        (
            {"yarn.lock": "# yarn lockfile v1\n"},
            "npx --yes yarn@1.22.22 install --frozen-lockfile && npx --yes yarn@1.22.22 run build",
        ),
        (
            {"yarn.lock": "__metadata:\n  version: 8\n"},
            "npx --yes @yarnpkg/cli-dist@4 install --immutable && "
            "npx --yes @yarnpkg/cli-dist@4 run build",
        ),
        (
            {"pnpm-lock.yaml": "lockfileVersion: '6.0'\n"},
            "npx --yes pnpm@8 install --frozen-lockfile && npx --yes pnpm@8 run build",
        ),
        (
            {
                "pnpm-lock.yaml": "lockfileVersion: '9.0'\n",
                "package.json": VITE[:-1] + ', "packageManager": "pnpm@10.4.1+sha512.ab"}',
            },
            "npx --yes pnpm@10.4.1 install --frozen-lockfile && npx --yes pnpm@10.4.1 run build",
        ),
        (
            {"bun.lock": "{}"},
            "npx --yes bun@1 install --frozen-lockfile && npx --yes bun@1 run build",
        ),
    ],
)
def test_the_manager_is_that_of_the_lock_file(tmp_path, files, command):
    assert detected(tmp_path, {"package.json": VITE} | files).build.commands == (command,)


def test_commands_run_from_the_directory_of_manage(tmp_path):
    moved = {f"src/{name}": text for name, text in PLAIN.items()}
    away = dict.fromkeys(PLAIN)
    root = {"package.json": VITE, "package-lock.json": LOCK}
    found = detected(tmp_path / "a", moved | away | root)
    assert found.build.commands == ("cd .. && npm ci && npm run build",)
    front = {f"frontend/{name}": text for name, text in root.items()}
    found = detected(tmp_path / "b", front)
    assert found.build.commands == ("cd frontend && npm ci && npm run build",)


def test_each_frontend_elsewhere_is_built_and_none_beside_the_one_of_the_root(tmp_path):
    package = {"package.json": VITE, "package-lock.json": LOCK}
    two = {f"{at}/{name}": text for at in ("admin", "site/ui") for name, text in package.items()}
    others = {f"{at}/package.json": VITE for at in ("docs", "node_modules/vite", "tests/e2e")}
    found = detected(tmp_path / "a", two | others)
    assert found.build.commands == (
        "cd admin && npm ci && npm run build",
        "cd site/ui && npm ci && npm run build",
    )
    assert found.build.engines == ">=18"
    found = detected(tmp_path / "b", two | package)
    assert found.build.commands == ("npm ci && npm run build",)


def test_a_package_of_others_that_is_kept_among_static_files_is_not_built(tmp_path):
    package = {"static/icons/package.json": VITE}  # a published one never has a lock file
    assert detected(tmp_path / "a", package).build.commands == ()
    found = detected(tmp_path / "b", package | {"static/icons/package-lock.json": LOCK})
    assert found.build.commands == ("cd static/icons && npm ci && npm run build",)


MODULES = SETTINGS + 'STATICFILES_DIRS = [BASE_DIR / "node_modules"]\n'
NO_BUILD = json.dumps({"dependencies": {"htmx.org": "2"}, "scripts": {"test": "jest"}})


@pytest.mark.parametrize(
    ("files", "command"),
    [
        ({"package-lock.json": LOCK}, "npm ci --omit=dev"),
        ({}, "npm install --no-save --omit=dev"),
        (
            {"yarn.lock": "# yarn lockfile v1\n"},
            "npx --yes yarn@1.22.22 install --frozen-lockfile --production",
        ),
    ],
)
def test_what_static_files_are_taken_from_is_installed(tmp_path, files, command):
    files = {"package.json": NO_BUILD, **files}
    assert detected(tmp_path / "a", files).build.commands == ()
    files["mysite/settings.py"] = MODULES
    assert detected(tmp_path / "b", files).build.commands == (command,)
    kept = PLAIN | files | {"node_modules/htmx.org/dist/htmx.js": ""}
    repository(tmp_path / "kept", kept)
    assert detect(*fetched(tmp_path / "kept")).build.commands == ()
    files["package.json"] = VITE  # which installs them, too
    (built,) = detected(tmp_path / "c", files).build.commands
    assert built.endswith("run build")
    below = {"components/package.json": NO_BUILD, "mysite/settings.py": MODULES}
    (installed,) = detected(tmp_path / "d", below).build.commands
    assert installed == "cd components && npm install --no-save --omit=dev"


def test_tailwind_without_node(tmp_path):
    settings = SETTINGS.replace('["', '["django_tailwind_cli", "')
    files = {"mysite/settings.py": settings}
    kept = files | {"assets/css/tailwind.css": "a {}"}
    assert detected(tmp_path / "kept", kept).build.commands == ()
    build = detected(tmp_path, files).build
    assert build.node is False
    assert build.commands == (
        "python manage.py tailwind download_cli && python manage.py tailwind build",
    )


def test_what_is_stated_is_taken(tmp_path):
    found = detected(tmp_path, {"package.json": VITE}, build=["python manage.py compilemessages"])
    assert (found.build.detected, found.build.node) == (False, False)
    assert "build        python manage.py compilemessages (project.build)" in found.notes
    assert build_packages({"build": found.build.record()}) == ["gettext"]
    found = detected(tmp_path / "node", {}, node=True)
    assert build_packages({"build": found.build.record()}) == ["nodejs", "npm"]
    assert build_packages({}) == []


def test_a_package_json_that_is_none(tmp_path):
    assert "the project's package.json is not valid JSON" in undetected(
        tmp_path / "a", {"package.json": "{"}
    )
    files = {"package.json": VITE, "ui/kit/package.json": "{"}  # which nobody builds
    assert len(detected(tmp_path / "b", files).build.commands) == 1


@pytest.mark.parametrize(
    ("stated", "engines", "line"),
    [
        (
            None,
            ">=18",
            "Debian's node and npm; another one of npm's where Debian's is not >=18 (the",
        ),
        ("22", "22", "Debian's node and npm; another one of npm's where Debian's is not 22 (proj"),
        (
            "^24.0.0",
            "^24.0.0",
            "Debian's node and npm; another one of npm's where Debian's is not ^24.0.0 (proj",
        ),
    ],
)
def test_which_node(tmp_path, stated, engines, line):
    found = detected(tmp_path, {"package.json": VITE}, **({"node": stated} if stated else {}))
    assert (found.build.node, found.build.engines) == (True, engines)
    assert [one for one in found.notes if one.startswith(f"node         {line}")]
