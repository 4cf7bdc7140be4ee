"""The file `known_hosts` beside hosts.yml: the keys by which the machines are known.

It comes with the inventory, so it is the same in a colleague's clone and in CI.
"""

from __future__ import annotations

import shlex
from pathlib import Path

FILE = "known_hosts"
BACKUP = "known_hosts.old"  # ssh-keygen leaves it where it has removed a key


def ssh_arguments(file: Path) -> str:
    """The arguments with which ssh compares host keys with a file, and with no other.

    Args:
        file: its absolute path.

    Returns:
        A text for `ansible_ssh_extra_args`, which Ansible splits as a shell does.
    """
    # ssh splits the value at spaces, and takes % for the beginning of a token.
    value = str(file).replace("%", "%%")
    compared = shlex.quote(f'UserKnownHostsFile="{value}"')
    return f"-o {compared} -o StrictHostKeyChecking=yes"


def for_people(file: str | Path) -> str:
    """A path as a person would type it: relative, where it is below the current directory."""
    below = Path(file).is_relative_to(Path.cwd())
    return str(Path(file).relative_to(Path.cwd()) if below else file)


def paths(value: str) -> list[str]:
    """The files in a value of ssh's option UserKnownHostsFile."""
    return [word.replace("%%", "%") for word in shlex.split(value)]
