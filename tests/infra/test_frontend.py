"""What a release of examples/vineyard is made of: a build, a file of the inventory, a directory.

The page itself is opened by a browser in test_browser.py.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def vineyard(project: str) -> None:
    """Only this example has a build."""
    if project != "vineyard":
        pytest.skip("needs examples/vineyard")


def released(inventory: Path) -> Any:
    """Release what an inventory says; gives the finished command."""
    command = Path(sys.executable).parent / "espalier"
    argv = [command, "release", "-i", inventory]
    return subprocess.run(argv, capture_output=True, text=True, cwd=ROOT, check=False)


@pytest.fixture
def releasing(tmp_path: Path, request: pytest.FixtureRequest) -> Callable[..., Any]:
    """Release a changed copy of the project; gives the finished command."""
    given = Path(request.config.getoption("--ansible-inventory"))

    def run(changes: dict[str, str] | None = None, **keys: Any) -> Any:
        shutil.rmtree(tmp_path / "inventory", ignore_errors=True)
        shutil.copytree(given, tmp_path / "inventory")
        code = tmp_path / "vineyard"
        if not code.exists():
            ignored = shutil.ignore_patterns("node_modules", "built", "cellar", "__pycache__")
            shutil.copytree(ROOT / "examples/vineyard", code, ignore=ignored)
        for name, text in (changes or {}).items():
            (code / name).parent.mkdir(exist_ok=True)
            (code / name).write_text(text)
        file = tmp_path / "inventory/group_vars/all/project.yml"
        text = file.read_text().replace("examples/vineyard", str(code))
        for key, value in keys.items():
            text = text.replace("project:\n", f"project:\n  {key}: {json.dumps(value)}\n", 1)
        file.write_text(text)
        return released(tmp_path / "inventory")

    return run


@pytest.fixture
def back(request: pytest.FixtureRequest) -> Any:
    """The project as the scenario has it is live again in the end."""
    yield
    done = released(Path(request.config.getoption("--ansible-inventory")))
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_was_built_is_part_of_the_release_and_its_tools_are_not(app: Any) -> None:
    code = "/srv/vineyard/current/code"
    manifest = json.loads(app.file(f"{code}/built/manifest.json").content_string)
    assert app.file(f"{code}/built/{manifest['assets/main.js']['file']}").exists
    assert not app.file(f"{code}/node_modules").exists
    assert app.file("/srv/vineyard/.cache/npm").is_directory


def test_a_file_of_the_inventory_is_on_the_page_and_nobody_else_s_to_read(
    app: Any, site: Any
) -> None:
    assert b"In vino veritas, sicut in aqua sanitas" in site.get("/")[1]
    file = app.file("/srv/vineyard/current/code/motto.txt")
    assert (file.mode, file.user, file.group) == (0o640, "vineyard", "vineyard")
    assert app.run("grep -q sanitas /srv/vineyard/current/release.json").rc == 1


def test_what_the_site_writes_outlives_a_release(
    app: Any, site: Any, releasing: Callable[..., Any], back: Any
) -> None:
    book = app.file("/srv/vineyard/data/cellar/visits.txt")
    before = book.content_string.splitlines()
    site.get("/")
    assert len(book.content_string.splitlines()) == len(before) + 1
    live = app.check_output("readlink /srv/vineyard/current")
    done = releasing({"cellar/rules.txt": "shipped", "assets/vines.js": "export const vines = [];"})
    assert done.returncode == 0, done.stdout + done.stderr
    assert app.check_output("readlink /srv/vineyard/current") != live
    assert book.content_string.splitlines()[: len(before)] == before
    assert app.file("/srv/vineyard/data/cellar/rules.txt").content_string == "shipped"


LOGGING = """
LOGGING = {
    "version": 1,
    "handlers": {"file": {"class": "logging.FileHandler", "filename": BASE_DIR / "logs/site.log"}},
    "loggers": {"vineyard": {"handlers": ["file"], "level": "INFO"}},
}
"""


def test_a_log_file_in_the_project_s_tree_is_in_the_journal(
    app: Any, releasing: Callable[..., Any], back: Any, site: Any
) -> None:
    folder = ROOT / "examples/vineyard/vineyard"
    log = 'import logging; logging.getLogger("vineyard").info("a cork"); motto ='
    done = releasing(
        {
            "vineyard/views.py": (folder / "views.py").read_text().replace("motto =", log, 1),
            "vineyard/settings.py": (folder / "settings.py").read_text() + LOGGING,
        }
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "what goes to logs/site.log is in the journal" in done.stdout + done.stderr
    since = app.check_output("date +%s").strip()
    assert site.get("/")[0].status == 200
    said = app.check_output("journalctl -o cat -u 'vineyard-web@*' --since @%s", since)
    assert said.count("a cork") == 1, said


def test_a_directory_that_nobody_named_is_named(
    app: Any, releasing: Callable[..., Any], site: Any
) -> None:
    view = (ROOT / "examples/vineyard/vineyard/views.py").read_text()
    live = app.check_output("readlink /srv/vineyard/current")
    # Its own page writes there, while the release is tried.
    done = releasing(
        {
            "vineyard/views.py": view.replace("settings.CELLAR", "settings.BARREL"),
            "vineyard/settings.py": (ROOT / "examples/vineyard/vineyard/settings.py").read_text()
            + 'BARREL = BASE_DIR / "barrel"\n',
            "barrel/empty.txt": "",
        }
    )
    output = " ".join((done.stdout + done.stderr).split())
    assert done.returncode == 1, output
    assert "write `writable: [barrel]` in project.yml" in output
    assert app.check_output("readlink /srv/vineyard/current") == live
    assert site.get("/")[0].status == 200


def test_a_build_that_fails_leaves_the_live_release(
    app: Any, releasing: Callable[..., Any], site: Any
) -> None:
    live = app.check_output("readlink /srv/vineyard/current")
    done = releasing({"assets/main.js": 'import "./nowhere.js";\n'})
    output = " ".join((done.stdout + done.stderr).split())
    assert done.returncode == 1, output
    assert "the build `npm ci && npm run build` failed: " in output
    assert "write `build: []` in project.yml" in output
    assert app.check_output("readlink /srv/vineyard/current") == live
    assert site.get("/")[0].status == 200
