"""The module as Ansible builds it: with its parts, which ansible.cfg says the place of."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from espalier.environment import plain_environment
from espalier.paths import ANSIBLE_CONFIG


def run(arguments: dict[str, Any], folder: Path) -> Any:
    """Run the module here; gives what it returns."""
    words = [sys.executable, "-m", "ansible", "adhoc", "localhost", "-i", "localhost,"]
    words += ["-c", "local", "-e", f"ansible_python_interpreter={sys.executable}"]
    words += ["-m", "backup_destination", "-a", json.dumps(arguments)]
    environment = plain_environment(ANSIBLE_CONFIG=str(ANSIBLE_CONFIG))
    done = subprocess.run(words, env=environment, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return yaml.safe_load(done.stdout.partition("=>")[2])


def test_secrets_are_hidden_in_what_is_returned(tmp_path: Path) -> None:
    settings = {"to": "s3", "endpoint": "AKIA.invalid:x", "bucket": "b", "path": "/s"}
    arguments = {
        "settings": {**settings, "region": "r"},
        "secrets": {"access_key": "AKIA", "secret_key": "s3cr3t"},
        "stanza": "shop",
    }
    assert run(arguments, tmp_path) == {
        "changed": False,
        "problem": "There is no connection with ********.invalid:x (nonnumeric port: 'x'). Check "
        "`endpoint` of `backup` in hosts.yml.",
        "clock_skew": None,
        "has_backups": False,
        "info_begins": "",
        "free_bytes": None,
    }


def test_machine_that_keeps_the_backups_is_tried(tmp_path: Path) -> None:
    settings = {"to": "machine", "path": f"{tmp_path}/shop"}
    answer = run({"settings": settings, "stanza": "shop"}, tmp_path)
    assert (answer["problem"], answer["free_bytes"] > 0) == ("", True)
