"""The task `project`, in a playbook of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from espalier import paths
from tests.unit.project.samples import PLAIN, write

PLAYBOOK = """\
- hosts: localhost
  connection: local
  gather_facts: false
  vars:
    kit: {gunicorn: ["gunicorn==27.0.1"]}
    where: "{{ playbook_dir }}/site"
    ansible_python_interpreter: "{{ ansible_playbook_python }}"
  tasks:
    - project:
        project:
          directory: "{{ where }}"
          name: orchard
          version: "{{ said | default(omit) }}"
          environment: {TOKEN: hush}
        overlay: OVERLAY
        cache: "{{ playbook_dir }}/cache"
        extra_requirements: "{{ kit }}"
      register: packed
    - copy:
        content: "{{ packed | to_json }}"
        dest: "{{ playbook_dir }}/result.json"
      check_mode: false
"""


def playbook(
    tmp_path: Path, overlay: Path, *options: str, **environment: str
) -> subprocess.CompletedProcess:
    beside = Path(sys.executable).with_name("ansible-playbook")
    program = str(beside) if beside.exists() else shutil.which("ansible-playbook")
    if not program:
        pytest.skip("ansible is not installed")
    write(tmp_path / "site", PLAIN)
    write(tmp_path, {"play.yml": PLAYBOOK.replace("OVERLAY", str(overlay)), "ansible.cfg": ""})
    environ = os.environ | {
        "ANSIBLE_CONFIG": str(tmp_path / "ansible.cfg"),
        "ANSIBLE_ACTION_PLUGINS": str(paths.KIT / "plugins" / "action"),
        "ANSIBLE_LOCAL_TEMP": str(tmp_path / "tmp"),
        "ANSIBLE_NOCOLOR": "1",
    }
    environ |= environment
    argv = [program, "-i", "localhost,", *options, str(tmp_path / "play.yml")]
    return subprocess.run(argv, env=environ, cwd=tmp_path, capture_output=True, text=True)


def test_action_plugin_in_check_mode(tmp_path, overlay):
    done = playbook(tmp_path, overlay, "--check")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "  settings     mysite.settings (manage.py line 5)" in done.stdout
    result = json.loads((tmp_path / "result.json").read_text())
    build = result["project_build"]
    assert result["changed"] is False
    assert build["name"] == "orchard"
    assert build["build"]["extra_requirements"] == ["gunicorn==27.0.1"]
    assert build["build"]["identity"] == build["identity"]
    assert Path(build["archive"]).is_file()
    assert build["project"]["static_url"] == "/static/"
    assert "hush" not in json.dumps(result)


def test_action_plugin_fails_with_the_sentence(tmp_path, overlay):
    done = playbook(tmp_path, overlay, "-e", "said=main")
    assert done.returncode == 2
    output = done.stdout + done.stderr
    assert "project.version has no meaning with `directory:`" in output
    assert "Traceback" not in output


def test_action_plugin_without_the_package_says_what_to_do(tmp_path, overlay):
    # As another ansible-playbook of the same machine would not find it.
    absent = 'raise ModuleNotFoundError("No module named \'espalier\'", name="espalier")\n'
    write(tmp_path / "absent", {"espalier/__init__.py": absent})
    done = playbook(tmp_path, overlay, PYTHONPATH=str(tmp_path / "absent"))
    assert done.returncode != 0
    assert done.stderr == (
        "[ERROR]: The Python package `espalier` is not installed beside this Ansible. Activate the "
        "kit's virtual environment (`source .venv/bin/activate`), or install the kit beside it "
        "(`pip install -e .`).\n"
    )
