"""What is read of disks, networks, sockets and processes, as recorded from real machines."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from espalier_machine.insight import services, sockets
from espalier_machine.insight.cgroups import UNIFIED, Cgroups
from espalier_machine.insight.disk import Disks
from espalier_machine.insight.network import Network
from espalier_machine.insight.processes import Process, Reading, parse_schedstat, parse_stat
from espalier_machine.insight.services import Service

DISKSTATS = """\
   7       0 loop0 10 0 80 5 0 0 0 0 0 {loop} 5 0 0 0 0 0 0
 253       0 vda {reads} 3 {sectors} {reading} {writes} 7 4096 {writing} 0 {busy} {held} 0 0 0 0 0 0
 253       1 vda1 9000 3 99999 900 50 7 4096 300 0 9999 999 0 0 0 0 0 0
   8       0 sdb 1 0 8 1 0 0 0 0 0 10 1 0 0 0 0 0 0
"""


def test_busiest_real_disk_is_told(tmp_path: Path) -> None:
    for name in ("vda", "sdb", "loop0"):
        (tmp_path / "sys/block" / name).mkdir(parents=True)
    file = tmp_path / "diskstats"
    before = dict(
        reads=100, sectors=2048, reading=50, writes=10, writing=20, busy=500, held=70, loop=0
    )
    after = dict(
        reads=150, sectors=6144, reading=150, writes=40, writing=80, busy=1500, held=670, loop=2000
    )
    file.write_text(DISKSTATS.format(**before))
    disks = Disks(tmp_path, tmp_path / "sys")
    disks.sample(1)
    file.write_text(DISKSTATS.format(**after))
    assert disks.sample(2) == {
        "busy": 0.5,
        "reads": 25,
        "writes": 15,
        "read_mb": 1,
        "written_mb": 0,
        "wait": 0.002,
        "queue": 0.3,
    }


DEV = """\
Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop
    lo: {received}99 10    0    0    0     0          0         0 {sent}99    10    0    0
  eth0: {received}   10    0    0    0     0          0         0 {sent}    10    0    0
"""
SNMP = """\
Ip: Forwarding DefaultTTL
Ip: 1 64
Tcp: RtoAlgorithm RtoMin RtoMax MaxConn ActiveOpens InSegs OutSegs RetransSegs InErrs
Tcp: 1 200 120000 -1 25 9000 {out} {again} 0
"""


def test_network_is_without_the_machines_talk_with_itself(tmp_path: Path) -> None:
    (tmp_path / "net").mkdir()
    network = Network(tmp_path)
    for received, sent, out, again in ((0, 0, 100, 1), (2 << 20, 4 << 20, 300, 11)):
        (tmp_path / "net/dev").write_text(DEV.format(received=received, sent=sent))
        (tmp_path / "net/snmp").write_text(SNMP.format(out=out, again=again))
        found = network.sample(2)
    assert found == {"received_mb": 1, "sent_mb": 2, "segments": 100, "retransmitted": 5}


SS = """\
0      0            10.0.0.1:41234         10.0.0.2:5432
\t cubic wscale:7,7 rto:204 rtt:3.1/1.5 ato:40 mss:1448 bytes_sent:100 segs_out:200 segs_in:11
0      0            10.0.0.1:41236         10.0.0.2:5432
\t cubic wscale:7,7 rto:204 rtt:5.1/1.5 ato:40 retrans:0/{again} segs_out:{sent} segs_in:11
0      0   [::ffff:10.0.0.1]:41238  [::ffff:10.0.0.3]:6379
\t cubic rtt:0.5/0.1 segs_out:9
0      0            10.0.0.1:22           192.0.2.9:50000
\t cubic rtt:90/1 segs_out:9 retrans:0/7
"""


def test_connections_with_other_machines_are_told_by_peer() -> None:
    known = sockets.Sockets({"10.0.0.2": "db1", "10.0.0.3": "cache1"}, "")
    known.told(sockets.connections(SS.format(again=2, sent=100)), 0)
    found = known.told(sockets.connections(SS.format(again=12, sent=150)), 5)
    assert found == {
        "round_trips": {"10.0.0.2": pytest.approx(0.0051), "10.0.0.3": 0.0005},
        "peers_retransmitted": {"10.0.0.2": 2, "10.0.0.3": 0},
        "peers_segments": {"10.0.0.2": 10, "10.0.0.3": 0},
    }


LISTENING = """\
u_str LISTEN 0      4096   /run/systemd/private 14 * 0
u_str LISTEN 3      2048   /run/shop/web-blue.sock 9142 * 0
u_str LISTEN 2      2048   /run/shop/web-green.sock 9143 * 0
u_str LISTEN 9      2048   /run/other/web-green.sock 9144 * 0
"""


def test_what_waits_at_the_projects_own_sockets_is_counted() -> None:
    assert sockets.waiting(LISTENING, "/run/shop") == 5
    assert sockets.waiting(LISTENING, "/run/absent") is None


def test_process_with_spaces_and_parentheses_in_its_name() -> None:
    ticks = os.sysconf("SC_CLK_TCK")
    text = f"42 (a) b (c)) S 1 42 42 0 -1 41 900 0 7 0 {3 * ticks} {ticks} 0 0 20 0 4 0 {9 * ticks}"
    assert parse_stat(text) == (4, 7, 9)
    assert parse_stat("") is None
    assert parse_schedstat("5000000000 1500000000 99\n") == 1.5


def test_shared_memory_counts_once() -> None:
    own = [Reading(0, 0, 0, resident, shared) for resident, shared in ((150, 128), (140, 120))]
    assert services.resident(own) == 22 + 20 + 128


BURN = "import time\nend = time.monotonic() + 30\nwhile time.monotonic() < end: pass\n"


def test_service_is_its_processes_now(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    unit = tmp_path / "system.slice/web.service"
    unit.mkdir(parents=True)
    found = Cgroups({UNIFIED: (tmp_path, "/")}, "")
    running = ["/system.slice/web.service"]
    monkeypatch.setattr(services, "unit_cgroups", lambda units: list(running))
    children = [subprocess.Popen([sys.executable, "-c", BURN]) for _ in range(2)]
    idle = subprocess.Popen(["sleep", "30"])
    try:
        pids = [child.pid for child in (*children, idle)]
        (unit / "cgroup.procs").write_text("".join(f"{pid}\n" for pid in pids))
        service = Service(found, ["web.service"])
        service.look()
        service.sample(1)
        began = time.monotonic()
        time.sleep(1.5)
        told, _ = service.sample(time.monotonic() - began)
        assert told["process_count"] == 2
        assert 0.2 < told["cpu"] <= 2.1
        assert told["cpu"] == pytest.approx(sum(told["processes"]))
        # What they did not get of a core each, they waited for.
        assert told["cpu"] + told["waiting"] == pytest.approx(2, abs=0.3)
        assert 5 < told["memory_mb"] < 60
        for child in children:
            child.kill()
            child.wait()
        told, _ = service.sample(1)
        assert (told["cpu"], told["process_count"]) == (0, 0)
        running.clear()
        (unit / "cgroup.procs").unlink()
        service.look()
        assert service.sample(1)[0]["memory_mb"] == 0
    finally:
        for child in (*children, idle):
            child.kill()
            child.wait()


def test_process_that_is_found_late_does_not_count_what_it_did_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unit = tmp_path / "system.slice/web.service"
    unit.mkdir(parents=True)
    monkeypatch.setattr(services, "unit_cgroups", lambda _: ["/system.slice/web.service"])
    early, late = (subprocess.Popen([sys.executable, "-c", BURN]) for _ in range(2))
    born = None
    try:
        (unit / "cgroup.procs").write_text(f"{early.pid}\n")
        service = Service(Cgroups({UNIFIED: (tmp_path, "/")}, ""), ["web.service"])
        service.sample(1)
        time.sleep(1.2)
        service.sample(1.2)
        (unit / "cgroup.procs").write_text(f"{late.pid}\n")
        assert service.sample(0.1)[0]["cpu"] == 0
        born = subprocess.Popen([sys.executable, "-c", BURN])
        time.sleep(0.5)
        (unit / "cgroup.procs").write_text(f"{late.pid}\n{born.pid}\n")
        assert service.sample(0.6)[0]["process_count"] == 2
    finally:
        for child in filter(None, (early, late, born)):
            child.kill()
            child.wait()


def test_threads_are_watched_up_to_a_bound() -> None:
    process = Process(Path(f"/proc/{os.getpid()}"))
    assert process.read(0.0, 0) is not None
    assert process.threads == {}
    assert process.read(100.0, 1) is not None
    assert len(process.threads) == 1
    process.close()
