"""A converged site has nothing to report, and a plan says what a change would interrupt."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.infra.conftest import converge


def assert_nothing_to_report(inventory: str) -> None:
    """Check that a run in check mode would change nothing and shows no difference."""
    said = converge(inventory, "--check", "--diff")
    assert set(re.findall(r"changed=(\d+)", said.partition("PLAY RECAP")[2])) == {"0"}, said
    assert not re.findall(r"(?m)^(?:---|\+\+\+|@@) .*", said), said


def test_converged_site_has_nothing_to_report(inventory_path: str, is_lab: bool) -> None:
    if not is_lab:
        pytest.skip("a site that is not a lab may be about to change")
    assert_nothing_to_report(inventory_path)


def test_plan_says_what_a_change_would_restart(
    inventory_path: str, is_lab: bool, topology: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not is_lab:
        pytest.skip("a site that is not a lab may be about to change")
    monkeypatch.setenv("ANSIBLE_STDOUT_CALLBACK", "plan")
    monkeypatch.setenv("COLUMNS", "200")
    assert converge(inventory_path, "--check").endswith("\nNothing would change.\n")
    other = ("-e", "postgresql_memory_mb=333", "-e", "nginx_upload_limit_mb=3")
    said = converge(inventory_path, "--check", *other)
    services = topology["services"]
    databases = services["postgresql_primary"] + services["postgresql_replica"]
    restarts = r"(?m)^  postgresql +Restart PostgreSQL, .*: shared_buffers\n +interrupts requests: "
    assert len(re.findall(restarts, said)) == len(databases), said
    reloads = r"(?m)^  nginx +Reload nginx: nginx reloaded\n +interrupts nothing: "
    assert len(re.findall(reloads, said)) >= len(services["nginx"]), said
    assert " of them may interrupt something.\n" in said
