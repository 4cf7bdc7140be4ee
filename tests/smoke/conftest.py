"""What the smoke sequences share: the inventory of their machine, and how a person's commands run.

Run alone, on any lab that is up: ``pytest --ansible-inventory=inventories/lab tests/smoke``.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from espalier.environment import plain_environment
from espalier.paths import KIT


@pytest.fixture(scope="session")
def inventory_path(request: pytest.FixtureRequest) -> Path:
    """The inventory that was named on the command line."""
    path = request.config.option.ansible_inventory
    if not path:
        pytest.exit("name a lab: pytest --ansible-inventory=inventories/lab tests/smoke")
    return Path(path).resolve()


def as_typed(**variables: str) -> dict[str, Any]:
    """Give how a command starts in the clone, with the virtual environment of this Python."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = plain_environment(PATH=path, PYTHONUNBUFFERED="1", **variables)
    return {"cwd": KIT, "env": environment, "stdin": subprocess.DEVNULL, "text": True}


@pytest.fixture(scope="session")
def typed() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run a command as a person types it, and give what became of it."""

    def run(*command: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, capture_output=True, timeout=300, **as_typed(**environment))

    return run


@pytest.fixture
def begun() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start a command that ends only when it is told to; it is told so after the test."""
    jobs: list[subprocess.Popen[str]] = []

    def start(*command: str) -> subprocess.Popen[str]:
        pipe = subprocess.PIPE
        jobs.append(subprocess.Popen(command, stdout=pipe, start_new_session=True, **as_typed()))
        return jobs[-1]

    yield start
    for job in jobs:
        os.killpg(job.pid, signal.SIGTERM)
        job.communicate(timeout=60)


@pytest.fixture(scope="session")
def make(
    inventory_path: Path, typed: Callable[..., subprocess.CompletedProcess[str]]
) -> Callable[..., str]:
    """Run `make TARGET …` for the machine; gives its output, fails where the command fails."""

    def run(target: str, *settings: str) -> str:
        done = typed(
            "make", "--no-print-directory", target, f"INVENTORY={inventory_path}", *settings
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run
