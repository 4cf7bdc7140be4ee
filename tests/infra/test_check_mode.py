"""A converged site has nothing to report."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def assert_nothing_to_report(inventory: str) -> None:
    """Check that a run in check mode would change nothing and shows no difference."""
    playbook = str(Path(sys.executable).with_name("ansible-playbook"))
    done = subprocess.run(
        [playbook, "site.yml", "-i", inventory, "--check", "--diff"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    recap = done.stdout.partition("PLAY RECAP")[2]
    assert set(re.findall(r"changed=(\d+)", recap)) == {"0"}, said
    assert not re.findall(r"(?m)^(?:---|\+\+\+|@@) .*", done.stdout), said


def test_converged_site_has_nothing_to_report(inventory_path: str, is_lab: bool) -> None:
    if not is_lab:
        pytest.skip("a site that is not a lab may be about to change")
    assert_nothing_to_report(inventory_path)
