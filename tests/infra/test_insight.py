"""What a recording of the site shows: machines, services, and each request."""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pytest

from espalier.insight.recording import Machine
from espalier.measuring.stream import Stream
from espalier.measuring.units import units
from tests.infra.conftest import Visitor

SECONDS = 6
PAGES = 40
MARK = "/run/espalier-insight/on"


@pytest.fixture(scope="module")
def recording(
    machine: Callable[[str], Any], topology: dict[str, Any], site: Visitor, project: str
) -> SimpleNamespace:
    """Every machine, recorded while the front page is visited; and the headers of those answers."""
    machines = {name: one for name, one in topology["machines"].items() if one["services"]}

    def record(name: str) -> Machine:
        services = machines[name]["services"]
        peers = {one["address"]: peer for peer, one in machines.items() if peer != name}
        options = {
            "project": project,
            "units": units(project, services),
            "peers": peers,
            "salt": "00",
            "requests": "nginx" in services,
            "insight": False,
        }
        words = f"espalier-insight record --seconds {SECONDS} --options"
        # It ends with its input, which stays open for longer than it takes.
        line = f"{words} {shlex.quote(json.dumps(options))} < <(sleep 60 2> /dev/null)"
        stream = Stream(name)
        for one in machine(name).check_output("bash -c %s", line).splitlines():
            stream.take(one, json.loads(one).get("sample", {}).get("t", 0.0))
        assert stream.ended, f"{name} did not tell all"
        return stream.result()

    with ThreadPoolExecutor() as pool:
        jobs = {name: pool.submit(record, name) for name in machines}
        # Django looks for the mark once a second.
        time.sleep(SECONDS / 2)
        headers = [dict(site.get("/")[0].headers) for _ in range(PAGES)]
        found = {name: job.result() for name, job in jobs.items()}
    return SimpleNamespace(machines=found, headers=headers)


def test_every_service_is_seen(recording: SimpleNamespace, topology: dict[str, Any]) -> None:
    for name, machine in recording.machines.items():
        assert len(machine.samples) >= SECONDS - 2
        assert machine.cores > 0 and machine.memory_mb > 100
        seen = machine.samples[-1].services
        # Of two services in one unit, the first one has it.
        for service in units("x", topology["machines"][name]["services"]):
            if service in ("nginx", "django", "postgresql_primary", "pgbouncer", "redis"):
                assert seen[service].memory_mb > 1, f"{service} on {name}"


def test_requests_are_timed_in_django(
    recording: SimpleNamespace, topology: dict[str, Any], site: Visitor
) -> None:
    rows = [
        one for name in topology["services"]["nginx"] for one in recording.machines[name].requests
    ]
    timed = [row for row in rows if row.app is not None and row.path == "/"]
    # Those of the first second may have come before Django saw that it is to tell.
    assert len(timed) >= PAGES // 2
    for row in timed:
        assert row.upstream is not None
        assert 0 < row.app <= row.upstream + 0.01 <= row.took + 0.02
        assert row.pid > 0
    assert any(row.view for row in timed) or all(row.status == 404 for row in timed)


def test_visitors_do_not_see_the_times(recording: SimpleNamespace) -> None:
    assert len(recording.headers) == PAGES
    for headers in recording.headers:
        assert not [name for name in headers if name.lower().startswith("x-espalier")]


def test_the_database_tells_what_it_does(
    recording: SimpleNamespace, topology: dict[str, Any]
) -> None:
    primary = recording.machines[topology["services"]["postgresql_primary"][0]]
    told = [sample.postgresql for sample in primary.samples if sample.postgresql]
    assert len(told) >= SECONDS - 2
    assert max(one.connections for one in told) >= 1
    assert primary.errors == []


def test_the_pool_and_the_cache_tell_what_they_do(
    recording: SimpleNamespace, topology: dict[str, Any]
) -> None:
    for service, part in (("pgbouncer", "pool"), ("redis", "redis")):
        for name in topology["services"][service]:
            machine = recording.machines[name]
            # A redis that an earlier version has started has no user for this yet.
            if service == "redis" and "from its next start on" in "".join(machine.errors):
                continue
            assert [sample for sample in machine.samples if getattr(sample, part)], service
            assert machine.errors == []


def test_a_recording_costs_next_to_nothing(recording: SimpleNamespace) -> None:
    for machine in recording.machines.values():
        # Its start is in it, which takes a while of a few seconds; a longer one costs far less.
        assert 0 < machine.cost["cpu"] < 0.1
        assert 0 < machine.cost["memory_mb"] < 30


def test_django_tells_no_times_afterwards(
    recording: SimpleNamespace,
    machine: Callable[[str], Any],
    topology: dict[str, Any],
    hostvars: dict[str, Any],
    site: Visitor,
) -> None:
    web = topology["services"]["nginx"][0]
    if hostvars[web].get("insight"):
        pytest.skip("insight is on: every request is timed")
    for name in topology["services"]["django"]:
        assert not machine(name).file(MARK).exists
    time.sleep(2)
    path = f"/?untimed={time.time()}"
    site.get(path)
    time.sleep(2)  # nginx writes its log once a second
    lines = machine(web).check_output("tail -n 200 /var/log/nginx/access.log").splitlines()
    (row,) = [json.loads(line) for line in lines if json.loads(line)["uri"] == path]
    assert row["timing"] == ""
