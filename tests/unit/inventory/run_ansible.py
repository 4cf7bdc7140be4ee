"""The real Ansible, with the settings of the kit and no others."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from espalier import paths


def ansible(
    tool: str, *arguments: str, cwd: Path, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run an Ansible command with the kit's own ansible.cfg, and no setting but those given."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith("ANSIBLE_")}
    settings = {
        "ANSIBLE_CONFIG": str(paths.ANSIBLE_CONFIG),
        "ANSIBLE_LOCAL_TEMP": str(cwd / "tmp"),
        "COLUMNS": "1000",  # Ansible folds its warnings at the width of the terminal.
    }
    return subprocess.run(
        [str(Path(sys.executable).with_name(tool)), *arguments],
        env={**clean, **settings, **environment},
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
