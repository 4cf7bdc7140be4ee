"""The commands of `make` that are for a site: which environment they mean."""

from __future__ import annotations

import subprocess

import pytest

from espalier.paths import KIT

FOR_A_SITE = ["site", "plan", "release", "rollback", "status", "log", "manage", "logs", "psql"]


def make(*words: str) -> subprocess.CompletedProcess[str]:
    """Say what a command of make would run; OWN stands for inventories that somebody made."""
    command = ["make", "--dry-run", "--old-file=.venv/.installed", *words]
    return subprocess.run(command, cwd=KIT, capture_output=True, text=True)


@pytest.mark.parametrize("target", [*FOR_A_SITE, "maintenance", "load", "diagram"])
def test_environment_is_named_as_soon_as_there_is_one_of_somebody_s_own(target: str) -> None:
    done = make(target, "OWN=production staging")
    assert done.returncode == 2
    assert f"make {target} ENV=production, or ENV=lab" in done.stderr
    assert "-i" not in done.stdout
    named = make(target, "OWN=production staging", "ENV=staging")
    assert "inventories/staging" in named.stdout, named.stderr


@pytest.mark.parametrize("target", FOR_A_SITE)
def test_lab_is_meant_where_there_is_nothing_else(target: str) -> None:
    assert "-i inventories/lab" in make(target, "OWN=").stdout


@pytest.mark.parametrize("target", ["up", "down", "test", "lint", "help"])
def test_commands_for_no_site_ask_for_no_environment(target: str) -> None:
    assert make(target, "OWN=production").returncode == 0
