"""The environment of a command whose output is read by a program and not by a person."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from espalier.paths import ANSIBLE_CONFIG

# Each of them asks some tool for colours, also in a pipe. Molecule sets ANSIBLE_FORCE_COLOR for
# whatever it starts.
_COLOURS = ("ANSIBLE_FORCE_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "FORCE_COLOR", "PY_COLORS")
# pyinfra warns where another environment is active than the one that it is started from.
_OTHERS = ("VIRTUAL_ENV",)


def ansible_program(name: str) -> str:
    """Ansible's own command of this installation, whatever is first in the PATH."""
    return str(Path(sys.executable).with_name(name))


def plain_environment(
    base: Mapping[str, str] | None = None, *, ansible: bool = True, **changes: str
) -> dict[str, str]:
    """Give an environment in which Ansible, pytest, click and rich write the same text everywhere.

    No colours, 160 columns, and the kit's own Ansible settings; on a terminal, in a pipe, in CI,
    whatever virtual environment is active.

    Args:
        base: the environment to begin with; this process's own by default.
        ansible: keep the person's other Ansible settings (`ANSIBLE_…`).
        changes: variables to set on top.
    """
    kept = dict(os.environ if base is None else base)
    for name in list(kept):
        if name in _COLOURS + _OTHERS or (name.startswith("ANSIBLE_") and not ansible):
            del kept[name]
    fixed = {"NO_COLOR": "1", "COLUMNS": "160", "ANSIBLE_CONFIG": str(ANSIBLE_CONFIG)}
    return kept | fixed | changes
