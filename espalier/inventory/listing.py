"""What Ansible makes of an inventory: every machine's variables, the topology among them."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from espalier.environment import ansible_program, plain_environment


class ListingError(Exception):
    """Ansible refuses the inventory; its own words."""


def read_machines(
    inventory: str | Path, arguments: Sequence[str] = ()
) -> dict[str, dict[str, Any]]:
    """Give every machine's variables by its name, as ``ansible-inventory --list`` gives them.

    `arguments` are more of its options, as for the password of ansible-vault.

    Raises:
        ListingError: the inventory is refused.
    """
    done = subprocess.run(
        [
            ansible_program("ansible-inventory"),
            "-i",
            str(Path(inventory).resolve()),
            "--list",
            *arguments,
        ],
        capture_output=True,
        text=True,
        env=plain_environment(),
    )
    if done.returncode:
        raise ListingError(done.stderr.strip())
    machines: dict[str, dict[str, Any]] = json.loads(done.stdout)["_meta"]["hostvars"]
    return machines
