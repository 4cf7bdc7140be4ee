"""Issue 10: a mistake in the inventory ends every command with its sentence; nothing is touched."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

# A mistake, as an edit of the machine's hosts.yml, and what its sentence must say.
MISTAKES = {
    "unknown tier": ("[pgbouncer, redis]", "[pgbuncer]", "Did you mean `pgbouncer`?"),
    "replicas with one database": ("[pgbouncer, redis]", "[replicas]", "`replicas` needs two"),
}
COMMANDS = {
    "ansible-inventory": ("ansible-inventory", "--list", "-i"),
    "ansible-playbook": ("ansible-playbook", "site.yml", "-i"),
    "lab": ("make", "--no-print-directory", "status", "INVENTORY="),
    "load": ("make", "--no-print-directory", "load", "INVENTORY="),
}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistake_is_refused(
    inventory_path: Path, tmp_path: Path, typed: Callable[..., Any], mistake: str, command: str
) -> None:
    before, after, sentence = MISTAKES[mistake]
    broken = tmp_path / "inventory"
    shutil.copytree(inventory_path, broken)
    text = (broken / "hosts.yml").read_text()
    assert before in text
    (broken / "hosts.yml").write_text(text.replace(before, after))
    *words, last = COMMANDS[command]
    words += [f"{last}{broken}"] if last.endswith("=") else [last, str(broken)]
    done = typed(*words)
    output = " ".join((done.stdout + done.stderr).split())
    assert done.returncode != 0, output
    assert sentence in output
    assert "Traceback" not in output
    assert "PLAY [" not in output
