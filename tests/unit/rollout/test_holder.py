"""The process that holds the lock for site.yml ends when it is told to, or with the run."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from espalier.inventory.site import Site, SiteError
from espalier.rollout import holder

NO_MACHINES = Site(Path("inventories/x"), "shop", {"services": {"django": []}}, {}, {}, {})


@pytest.fixture
def run() -> subprocess.Popen[bytes]:
    """A process that stands for the run of site.yml."""
    return subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])


def status_at_its_end(pid: int) -> int:
    """Wait for a process, 10 s at most; gives its exit status."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.05)
    raise AssertionError(f"{pid} goes on")


def test_it_ends_when_it_is_told_to(run: subprocess.Popen[bytes]) -> None:
    held = holder.start(NO_MACHINES, "ann@desk", parent=run.pid)
    assert held["tokens"] == {}
    holder.end(held["pid"])
    assert status_at_its_end(held["pid"]) == 0
    run.kill()
    run.wait()


def test_it_ends_with_the_run(run: subprocess.Popen[bytes]) -> None:
    held = holder.start(NO_MACHINES, "ann@desk", parent=run.pid)
    time.sleep(1)
    assert os.waitpid(held["pid"], os.WNOHANG) == (0, 0), "it ended before the run did"
    run.kill()
    run.wait()
    assert status_at_its_end(held["pid"]) == 0


def test_machine_that_does_not_give_the_lock_is_named() -> None:
    closed = {"ansible_host": "127.0.0.1", "ansible_port": 1}
    site = Site(
        Path("inventories/x"), "shop", {"services": {"django": ["app1"]}}, {}, {}, {"app1": closed}
    )
    # Under --limit a machine that does not answer is left out: nothing can be released there.
    held = holder.start(site, "ann@desk", parent=os.getpid())
    assert held["notes"] == [
        "app1 does not answer, so it is not locked; nothing can be released there."
    ]
    holder.end(held["pid"])
    assert status_at_its_end(held["pid"]) == 0
    asked = {"app1": closed | {"ansible_become_password": "x", "ansible_ssh_common_args": "-L 1"}}
    refused = Site(site.inventory, "shop", site.topology, {}, {}, asked)
    with pytest.raises(SiteError, match="has no place in a configuration file of ssh"):
        holder.start(refused, "ann@desk", parent=os.getpid())
