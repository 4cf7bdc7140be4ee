"""What Ansible builds of a module is kept between runs, and never older than its sources."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from espalier.paths import KIT
from plugins.callback.kept_modules import COLLECTIONS

MODULE = """
from ansible.module_utils.basic import AnsibleModule
AnsibleModule({{}}).exit_json(said="{said}")
"""
PLAY = [
    {
        "hosts": "localhost",
        "gather_facts": False,
        "tasks": [
            {"name": "Say it", "say": {}, "register": "answer"},
            {"name": "Show it", "debug": {"msg": "it says {{ answer.said }}"}},
        ],
    }
]


class Control:
    """A control machine of a person, with a module and a playbook."""

    def __init__(self, folder: Path) -> None:
        """Have both below a folder."""
        self.folder = folder
        self.library = folder / "library"
        self.library.mkdir()
        (folder / "play.yml").write_text(json.dumps(PLAY))

    @property
    def kept(self) -> Path:
        """Where the modules are kept."""
        return self.folder / ".cache/espalier/modules"

    def write(self, said: str) -> None:
        """Write the module."""
        (self.library / "say.py").write_text(MODULE.format(said=said))

    def run(self) -> str:
        """Run the playbook; gives the output."""
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "ANSIBLE_LIBRARY": str(self.library),
            "ANSIBLE_CALLBACK_PLUGINS": str(KIT / "plugins/callback"),
            "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
        }
        argv = [
            Path(sys.executable).with_name("ansible-playbook"),
            *("-i", "localhost,", "-c", "local", "play.yml"),
        ]
        done = subprocess.run(
            argv, cwd=self.folder, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def built(self) -> list[Path]:
        """Give the builds of the module that are kept."""
        return [path for path in self.kept.glob("*/*say*") if path.suffix != ".lock"]


@pytest.fixture
def control(tmp_path: Path) -> Control:
    """Have a control machine that has run the playbook once."""
    found = Control(tmp_path)
    found.write("one")
    assert "it says one" in found.run()
    return found


def test_the_next_run_takes_what_this_one_has_built(control: Control) -> None:
    (built,) = control.built()
    before = built.stat().st_mtime_ns
    assert "it says one" in control.run()
    assert [(path, path.stat().st_mtime_ns) for path in control.built()] == [(built, before)]


def test_a_run_does_not_take_what_was_built_from_other_sources(control: Control) -> None:
    control.write("two")
    assert "it says two" in control.run()
    assert len(control.built()) == 2


def test_sources_are_those_of_every_collection_that_tasks_use() -> None:
    files = [*KIT.glob("roles/**/*.yml"), *KIT.glob("playbooks/**/*.yml")]
    text = "\n".join(file.read_text() for file in files)
    used = set(re.findall(r"^ +(?:- )?([a-z]+\.[a-z_]+)\.[a-z_]+:", text, re.MULTILINE))
    assert used - {"ansible.builtin"} == set(COLLECTIONS)


def test_what_nothing_has_used_for_a_month_is_removed(control: Control) -> None:
    (old,) = control.built()
    month_ago = time.time() - 31 * 24 * 3600
    os.utime(old.parent, (month_ago, month_ago))
    control.write("two")
    control.run()
    assert not old.exists()
    assert len(control.built()) == 1


def test_others_cannot_read_or_write_there(control: Control) -> None:
    (built,) = control.built()
    assert built.parent.stat().st_mode & 0o777 == 0o700


def test_a_run_goes_on_where_nothing_can_be_kept(tmp_path: Path) -> None:
    control = Control(tmp_path)
    control.write("one")
    (tmp_path / ".cache").write_text("a file, where a directory would be")
    assert "it says one" in control.run()
