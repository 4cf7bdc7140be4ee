"""Inventories of a test's own, and the real ``ansible-playbook`` that reads them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PLAYBOOK = Path(sys.executable).with_name("ansible-playbook")
# Of the range kept for tests: no machine is touched.
VPS = {"ansible_host": "198.18.99.9"}
OTHER = {"ansible_host": "198.18.99.10"}
EXAMPLE = {"directory": str(ROOT / "examples/orchard")}
# This machine in place of one behind SSH: only for `check_this_machine`.
HERE = {"ansible_host": "localhost", "ansible_become": False}


def write_inventory(
    directory: Path,
    project: Mapping[str, Any] = EXAMPLE,
    tiers: Sequence[str] = (),
    machines: Mapping[str, Any] | None = None,
    **duties: Sequence[str],
) -> None:
    """Write an inventory; every duty that is not given is the first machine's.

    JSON is YAML, so no library is needed.
    """
    machines = machines or {"vps1": VPS}
    duties = {duty: [next(iter(machines))] for duty in ("web", "app", "db")} | duties
    everything = {
        "vars": {
            "tiers": list(tiers),
            "ansible_ssh_common_args": "-o ConnectTimeout=2",
            **({"backup": {"to": "machine"}} if "backup" in duties else {}),
        },
        "hosts": machines,
        "children": {
            duty: {"hosts": dict.fromkeys(names)} for duty, names in duties.items() if names
        },
    }
    (directory / "group_vars/all").mkdir(parents=True)
    (directory / "hosts.yml").write_text(json.dumps({"all": everything}))
    (directory / "topology.yml").write_text("plugin: topology\n")
    (directory / "group_vars/all/project.yml").write_text(json.dumps({"project": project}))


def run_site(inventory: Path) -> subprocess.CompletedProcess[str]:
    """Run the site's playbook as a person does."""
    return run_playbook("site.yml", inventory)


def check_this_machine(
    inventory: Path,
    supported: str = "{{ ansible_facts['distribution_release'] }}",
    **settings: str,
) -> subprocess.CompletedProcess[str]:
    """Run the checks that the site's playbook begins with, and nothing after them.

    They are the part of the site that changes nothing. Check mode would not be enough, as a few
    tasks of the site run in it too.
    """
    known = json.dumps({"distributions_supported": [supported]})
    here = ["--connection", "local", "--check"]
    return run_playbook("playbooks/preflight.yml", inventory, *here, "-e", known, **settings)


def run_playbook(
    playbook: str, inventory: Path, *options: str, **settings: str
) -> subprocess.CompletedProcess[str]:
    """Run a playbook, with a home directory that forgets; settings go into the environment."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("ANSIBLE_")}
    environment |= {
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
        "HOME": str(inventory.parent),
        "NO_COLOR": "1",
        **settings,
    }
    return subprocess.run(
        [str(PLAYBOOK), playbook, "-i", str(inventory), *options],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )


def assert_refused(done: subprocess.CompletedProcess[str], *phrases: str) -> None:
    """Check that the run said all the phrases in one message, and that nothing was changed."""
    said = done.stdout + done.stderr
    assert done.returncode != 0, said
    assert "Traceback" not in said
    assert set(re.findall(r"changed=(\d+)", said)) <= {"0"}, said
    # An inventory that is refused ends the run with the sentence alone.
    alone = done.stderr.splitlines() if not done.stdout else []
    assert len(alone) <= 1, said
    messages = alone or re.findall(r"(?m)^\[(?:ERROR|WARNING)\]: (.*(?:\n(?!Origin|\[).*)*)", said)
    assert any(all(phrase in message for phrase in phrases) for message in messages), said
