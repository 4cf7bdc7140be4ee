"""Issue 10: whatever a person types, a mistake in hosts.yml gives its sentence alone, and an error.

The sentences themselves are in tests/unit/inventory/test_hostile.py, with the commands of Ansible.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

# What is replaced in the machine's hosts.yml, by what, and the beginning of the sentence.
MISTAKES = {
    "unknown tier": (
        "[pgbouncer, redis]",
        "[pgbuncer]",
        "`tiers` in hosts.yml has 'pgbuncer', which is no tier.",
    ),
    "address that is none": (
        "ansible_host: 198.18.26.11",
        "ansible_host: 198.18.26.999",
        "`ansible_host` of the machine `vps1` in hosts.yml is 198.18.26.999, which looks like an",
    ),
    "tab": ("    web:", "\tweb:", "hosts.yml has a tab in line "),
}
COMMANDS = {
    "site.yml": ("ansible-playbook", "site.yml", "-i", "INVENTORY"),
    "espalier release": ("espalier", "release", "-i", "INVENTORY"),
    "espalier status": ("espalier", "status", "-i", "INVENTORY"),
    "espalier manage": ("espalier", "manage", "-i", "INVENTORY", "--", "check"),
    "pyinfra": ("pyinfra", "-y", "deploys/inventory.py", "deploys/release.py"),
    "load": ("python", "-m", "espalier.load", "-i", "INVENTORY"),
    "lab": ("python", "-m", "espalier.lab", "up", "-i", "INVENTORY"),
    "diagram": ("python", "-m", "espalier.diagram", "INVENTORY", "/dev/null"),
    "tests": ("pytest", "--ansible-inventory=INVENTORY", "tests/infra/test_site.py"),
}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistake_gives_one_sentence(
    inventory_path: Path, tmp_path: Path, typed: Callable[..., Any], mistake: str, command: str
) -> None:
    before, after, sentence = MISTAKES[mistake]
    broken = tmp_path / "inventory"
    shutil.copytree(inventory_path, broken)
    text = (broken / "hosts.yml").read_text()
    assert before in text, f"these mistakes are for molecule/smoke/inventory, not {inventory_path}"
    (broken / "hosts.yml").write_text(text.replace(before, after))
    words = [word.replace("INVENTORY", str(broken)) for word in COMMANDS[command]]
    done = typed(*words, INVENTORY=str(broken))
    assert done.returncode != 0
    output = (done.stdout + done.stderr).strip().splitlines()
    # pyinfra tells what it loads.
    lines = [line for line in output if not line.startswith("--> ")]
    assert len(lines) == 1, "\n".join(lines)
    # The kit's own commands say who speaks.
    assert sentence in lines[0]
