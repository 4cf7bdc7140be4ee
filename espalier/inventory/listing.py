"""What Ansible makes of an inventory: every machine's variables, the topology among them."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from espalier.environment import ansible_program, plain_environment


class ListingError(Exception):
    """Ansible refuses the inventory; its own words."""


def read_machines(inventory: str | Path) -> dict[str, dict[str, Any]]:
    """Give every machine's variables by its name, as ``ansible-inventory --list`` gives them.

    Raises:
        ListingError: the inventory is refused.
    """
    done = subprocess.run(
        [ansible_program("ansible-inventory"), "-i", str(Path(inventory).resolve()), "--list"],
        capture_output=True,
        text=True,
        env=plain_environment(),
    )
    if done.returncode:
        raise ListingError(done.stderr.strip())
    machines: dict[str, dict[str, Any]] = json.loads(done.stdout)["_meta"]["hostvars"]
    return machines
