"""Recording machines that are processes here."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path

import pytest

from espalier.inventory.read import read
from espalier.inventory.site import Site, SiteError
from espalier.measuring import record
from espalier.measuring.facts import ask, parse_settings, site_facts
from espalier.measuring.record import Recorder, machine_options, recording
from espalier.measuring.stream import Stream
from espalier.paths import KIT
from espalier.project.name import project_name
from tests.unit.measuring.remotes import MACHINE, FakeRemote, end_lines, row


@pytest.fixture(scope="module")
def site() -> Site:
    return read(KIT / "inventories/example", name_of=project_name)


def test_end_of_input_brings_what_machines_gathered(site: Site, tmp_path: Path) -> None:
    now = time.time()
    remote = FakeRemote(
        site,
        tmp_path,
        first=[MACHINE, {"sample": {"t": now, "dt": 1.0, "processor": {"busy": 0.5}}}],
        last=end_lines([row(now)]),
    )
    with Recorder(remote, site, 600) as recorder:
        assert recorder.is_running()
        machines = recorder.finish()
    assert not recorder.is_running()
    machine = machines["vps1"]
    assert [sample.processor.busy for sample in machine.samples] == [0.5]
    assert [request.view for request in machine.requests] == ["home"]
    assert machine.statements[0].calls == 3
    assert machine.cost == {"cpu": 0.01, "memory_mb": 12.0}
    assert machine.errors == ["pgbouncer was not asked."]
    _, words = remote.asked[0]
    assert words[:4] == ["espalier-insight", "record", "--seconds", "600"]
    options = json.loads(words[5])
    assert options["requests"] is True
    assert options["units"]["nginx"] == ["nginx.service"]


def test_recording_has_the_facts_and_the_times(site: Site, tmp_path: Path) -> None:
    remote = FakeRemote(site, tmp_path)
    settings, django = ask(remote, site)
    with Recorder(remote, site, 600) as recorder:
        machines = recorder.finish()
    facts = site_facts(site, settings, django, {"vps1": 5.0}, "EUR")
    made = recording(recorder, machines, facts, "measure", recorder.began + 60)
    assert made.seconds == 60
    assert made.site.workers == {"vps1": 3}
    assert made.site.threads == {"vps1": 4}
    assert made.site.max_connections == 250
    assert made.site.conn_max_age == 600
    assert made.site.pool_size is None
    assert made.site.duties == {"web": ["vps1"], "app": ["vps1"], "db": ["vps1"]}
    assert made.site.services["django"] == ["vps1"]
    assert "pgbouncer" not in made.site.services
    assert made.site.prices == {"vps1": 5.0}


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("exit 127", "vps1 has no program that records yet. `espalier site`"),
        ("echo 'ssh: connect to host: refused' >&2; exit 255", "vps1 cannot be recorded: ssh: con"),
        ("echo '{}'; exit 0", "vps1 cannot be recorded"),
    ],
)
def test_machine_that_does_not_record(site: Site, tmp_path: Path, script: str, words: str) -> None:
    remote = FakeRemote(site, tmp_path, script={"vps1": script})
    with (
        pytest.raises(SiteError, match=words),
        Recorder(remote, site, 600),
    ):
        raise AssertionError("it began")


def test_lost_machine_keeps_what_it_told(site: Site, tmp_path: Path) -> None:
    sample = json.dumps({"sample": {"t": time.time(), "dt": 1.0}})
    script = f"cat first; echo '{sample}'; echo '{{\"sample'; exit 255"
    remote = FakeRemote(site, tmp_path, script={"vps1": script})
    with Recorder(remote, site, 600) as recorder:
        recorder.wait(threading.Event())
        machine = recorder.finish()["vps1"]
    assert len(machine.samples) == 1
    assert machine.errors == ["vps1 was lost before the end, and with it its requests."]


def test_machine_that_falls_silent_is_given_up(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record, "LOST", 0.3)
    remote = FakeRemote(site, tmp_path, script={"vps1": "cat first; exec sleep 60"})
    began = time.monotonic()
    with Recorder(remote, site, 600) as recorder:
        recorder.wait(threading.Event())
    assert time.monotonic() - began < 10


def test_stop_ends_the_waiting(site: Site, tmp_path: Path) -> None:
    stop = threading.Event()
    stop.set()
    with Recorder(FakeRemote(site, tmp_path), site, 600) as recorder:
        recorder.wait(stop)
        assert recorder.is_running()


def test_other_form_is_an_older_kit(site: Site, tmp_path: Path) -> None:
    remote = FakeRemote(site, tmp_path, last=end_lines([[1.0, "/"]]))
    wanted = r"a request has 2 columns and not 26.*espalier site"
    with Recorder(remote, site, 600) as recorder, pytest.raises(SiteError, match=wanted):
        recorder.finish()


def test_clock_that_is_behind_is_moved() -> None:
    stream = Stream("vps1")
    stream.take(json.dumps(MACHINE), 1000.0)
    stream.take(json.dumps({"sample": {"t": 990.0, "dt": 1.0}}), 1000.2)
    stream.take(json.dumps({"sample": {"t": 991.0, "dt": 1.0}}), 1001.0)
    stream.take(json.dumps({"requests": {"every": 1, "rows": [row(990.5)]}}), 1002.0)
    stream.take('{"end": true}', 1002.0)
    machine = stream.result()
    assert [sample.t for sample in machine.samples] == [1000.0, 1001.0]
    assert machine.requests[0].t == 1000.5
    assert machine.errors == ["The clock of vps1 is 10.0 s behind: its times were moved."]


def test_clock_that_is_right_is_left_alone() -> None:
    stream = Stream("vps1")
    stream.take(json.dumps(MACHINE), 1000.0)
    stream.take(json.dumps({"sample": {"t": 999.8, "dt": 1.0}}), 1000.0)
    stream.take('{"end": true}', 1001.0)
    assert stream.result().samples[0].t == 999.8


def test_peers_are_the_other_machines(site: Site) -> None:
    assert machine_options(site)["vps1"]["peers"] == {}
    two = dict(site.topology["machines"])
    two["db1"] = {"address": "10.0.0.2", "services": ["postgresql_primary"]}
    options = machine_options(
        Site(site.inventory, "shop", {**site.topology, "machines": two}, {}, {}, {})
    )
    assert options["vps1"]["peers"] == {"10.0.0.2": "db1"}
    assert options["db1"]["requests"] is False
    assert options["db1"]["salt"] == options["vps1"]["salt"]


def test_settings_are_read_from_lines_of_files() -> None:
    lines = [
        'ESPALIER_WEB_WORKERS="2"',
        "default_pool_size = 10",
        "maxmemory 102mb",
        "max_connections = 100",
        "max_connections = 200",
        "maxmemory-policy allkeys-lru",
    ]
    assert parse_settings("\n".join(lines)) == {
        "ESPALIER_WEB_WORKERS": 2,
        "default_pool_size": 10,
        "maxmemory": 102,
        "max_connections": 200,
    }


def test_without_django_s_answer_the_overlay_s_age_counts(site: Site) -> None:
    assert site_facts(site, {}, {}, {}).conn_max_age == 600
    own = Site(site.inventory, site.name, site.topology, {"overlay": False}, {}, {})
    assert site_facts(own, {}, {}, {}).conn_max_age == 0
    assert site_facts(site, {}, {"age": None}, {}).conn_max_age is None
