"""A converged site has nothing to report."""

from __future__ import annotations

import re

import pytest
from conftest import converge


def assert_nothing_to_report(inventory: str) -> None:
    """Check that a run in check mode would change nothing and shows no difference."""
    said = converge(inventory, "--check", "--diff")
    assert set(re.findall(r"changed=(\d+)", said.partition("PLAY RECAP")[2])) == {"0"}, said
    assert not re.findall(r"(?m)^(?:---|\+\+\+|@@) .*", said), said


def test_converged_site_has_nothing_to_report(inventory_path: str, is_lab: bool) -> None:
    if not is_lab:
        pytest.skip("a site that is not a lab may be about to change")
    assert_nothing_to_report(inventory_path)
