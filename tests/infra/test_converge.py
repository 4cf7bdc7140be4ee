"""What a run mends: a run before it that was killed, and what somebody has changed by hand."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import time
from typing import Any

import pytest

from espalier.environment import plain_environment
from tests.infra.conftest import ROOT, converge, playbook, ready

pytestmark = pytest.mark.breaks


def killed_at(task: str, inventory: str, *arguments: str) -> None:
    """Start a run, and kill it as soon as it says that it begins a task."""
    run = subprocess.Popen(
        playbook(inventory, *arguments),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        env=plain_environment(PYTHONUNBUFFERED="1"),
    )
    assert run.stdout
    said = []
    for line in run.stdout:
        said.append(line)
        if line.startswith(f"TASK [{task}]"):
            break
    else:
        raise AssertionError(f"the run never began `{task}`:\n{''.join(said)}")
    with contextlib.suppress(ProcessLookupError):
        os.killpg(run.pid, signal.SIGKILL)
    run.stdout.close()
    run.wait()


def takes_two_megabytes(site: Any) -> bool:
    """Send a long request; tell whether nginx lets it through."""
    connection = site.connection()
    connection.request("POST", "/", b"x" * 2_000_000, {"Host": site.domain})
    status = connection.getresponse().status
    connection.close()
    return status != 413


def test_killed_run_is_finished_by_the_next(inventory_path: str, site: Any) -> None:
    smaller = ("-e", "nginx_upload_limit_mb=1")
    assert takes_two_megabytes(site)
    killed_at("nginx : Run", inventory_path, *smaller)
    time.sleep(2)  # what the killed run had begun on the machine
    assert takes_two_megabytes(site), "nginx has its new configuration: nothing was left to do"
    try:
        said = converge(inventory_path, *smaller)
        assert re.search(r"changed=[1-9]", said.partition("PLAY RECAP")[2])
        assert not takes_two_megabytes(site)
        again = converge(inventory_path, *smaller)
        assert set(re.findall(r"changed=(\d+)", again.partition("PLAY RECAP")[2])) == {"0"}
    finally:
        converge(inventory_path)
    assert takes_two_megabytes(site)


def test_password_that_somebody_changed_is_set_right(
    inventory_path: str, project: str, topology: Any, machine: Any
) -> None:
    primary = machine(topology["services"]["postgresql_primary"][0])
    web = machine(topology["services"]["nginx"][0])

    def serves() -> bool:
        """Whether Django reaches its database; a pool may let it wait for a login that fails."""
        return bool(ready(web))

    def tell(sql: str) -> None:
        primary.check_output("runuser -u postgres -- psql -X -q -c %s", sql)

    tell(f"ALTER ROLE \"{project}\" PASSWORD 'another'")
    tell(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        f"WHERE usename = '{project}' AND application_name NOT LIKE 'walreceiver%'"
    )
    try:
        assert not all(serves() for _ in range(20)), "Django needs no password here"
    finally:
        converge(inventory_path)
    deadline = time.monotonic() + 60
    while not all(serves() for _ in range(20)):
        assert time.monotonic() < deadline, "the site does not come back"
        time.sleep(1)
