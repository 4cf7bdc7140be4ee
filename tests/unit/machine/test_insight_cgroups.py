"""A machine's processor and memory, as recorded from kernels with both versions of cgroups."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from espalier_machine.insight import cgroups
from espalier_machine.insight.memory import Memory, OfCgroup
from espalier_machine.insight.pressure import Pressure
from espalier_machine.insight.processor import Processor, of_cgroup

TICKS = os.sysconf("SC_CLK_TCK")
# A lab's machine: podman, runc, version 1 beside 2; the host's are mounted over its own.
POD = "/libpod_parent/libpod-d731a97"
HYBRID = f"""\
94 81 0:51 / /sys/fs/cgroup ro,nosuid - tmpfs tmpfs ro,size=4096k,mode=755
95 94 0:29 {POD} /sys/fs/cgroup/cpu ro,nosuid - cgroup cgroup rw,cpu
96 94 0:30 {POD} /sys/fs/cgroup/cpuacct ro,nosuid - cgroup cgroup rw,cpuacct
98 94 0:32 {POD} /sys/fs/cgroup/memory ro,nosuid - cgroup cgroup rw,memory
103 94 0:37 {POD} /sys/fs/cgroup/systemd ro,nosuid - cgroup cgroup rw,name=systemd
104 98 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
106 96 0:30 / /sys/fs/cgroup/cpuacct rw,relatime - cgroup cgroup rw,cpuacct
107 95 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu
108 103 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,name=systemd
52 94 0:38 / /sys/fs/cgroup/unified rw,nosuid - cgroup2 cgroup2 rw,nsdelegate
"""
HYBRID_INIT = f"""\
9:name=systemd:{POD}/init.scope
4:memory:{POD}/init.scope
2:cpuacct:{POD}
1:cpu:/
0::{POD}/init.scope
"""
# A podman container with a namespace of its own, of version 1, both controllers at one place.
NAMESPACE_V1 = """\
95 94 0:29 / /sys/fs/cgroup/cpu,cpuacct ro,nosuid - cgroup cgroup rw,cpu,cpuacct
98 94 0:32 / /sys/fs/cgroup/memory ro,nosuid - cgroup cgroup rw,memory
103 94 0:37 / /sys/fs/cgroup/systemd rw,nosuid - cgroup cgroup rw,name=systemd
"""
V2 = "30 24 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate,memory_recursiveprot\n"
STAT = "cpu  {user} 0 {system} 145349 {iowait} 0 188 {steal} 0 0\ncpu0 1 1 1 1 1 1 1 1 0 0\n"
MEMINFO = "MemTotal:       24683600 kB\nMemFree:  100 kB\nMemAvailable:    8192000 kB\n"
VMSTAT = "pgfault 7\npgmajfault {faults}\npswpin {swapped}\nworkingset_refault_file 5\noom_kill 0\n"


class Kernel:
    """What a kernel shows, below a directory."""

    def __init__(self, root: Path) -> None:
        """Show nothing yet."""
        self.root = root
        self.proc = root / "proc"

    def write(self, files: dict[str, str]) -> None:
        """Show these files, by their path."""
        for path, text in files.items():
            place = self.root / path.lstrip("/")
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text)

    def cgroups(self) -> cgroups.Cgroups:
        """Where its cgroups are."""
        return cgroups.find(self.proc, self.root)


@pytest.fixture
def kernel(tmp_path: Path) -> Kernel:
    shown = Kernel(tmp_path)
    shown.write(
        {
            "/proc/stat": STAT.format(user=1000, system=200, iowait=50, steal=30),
            "/proc/meminfo": MEMINFO,
            "/proc/vmstat": VMSTAT.format(faults=10, swapped=20),
        }
    )
    return shown


def hybrid(kernel: Kernel, usage: int = 0, throttled: int = 0, quota: int = 150000) -> None:
    kernel.write(
        {
            "/proc/self/mountinfo": HYBRID,
            "/proc/1/cgroup": HYBRID_INIT,
            "/sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
            "/sys/fs/cgroup/cpuacct/cpuacct.usage": "999999999999\n",
            f"/sys/fs/cgroup/cpu{POD}/cpu.cfs_quota_us": f"{quota}\n",
            f"/sys/fs/cgroup/cpu{POD}/cpu.cfs_period_us": "100000\n",
            f"/sys/fs/cgroup/cpu{POD}/cpu.stat": (
                f"nr_periods 10\nnr_throttled 4\nthrottled_time {throttled}\nnr_bursts 0\n"
            ),
            f"/sys/fs/cgroup/cpuacct{POD}/cpuacct.usage": f"{usage}\n",
            f"/sys/fs/cgroup/memory{POD}/memory.limit_in_bytes": "2147483648\n",
            f"/sys/fs/cgroup/memory{POD}/memory.usage_in_bytes": "1610612736\n",
            f"/sys/fs/cgroup/memory{POD}/memory.failcnt": "6\n",
            f"/sys/fs/cgroup/memory{POD}/memory.oom_control": (
                "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n"
            ),
            f"/sys/fs/cgroup/memory{POD}/memory.stat": (
                "pgmajfault 1\ntotal_pgmajfault 40\ntotal_inactive_file 536870912\n"
                "total_workingset_refault_file 70\n"
            ),
            f"/sys/fs/cgroup/unified{POD}/cpu.pressure": "some avg10=0.00 total=1000000\n",
            f"/sys/fs/cgroup/unified{POD}/memory.pressure": (
                "some avg10=0.00 total=0\nfull avg10=0.00 total=0\n"
            ),
            f"/sys/fs/cgroup/unified{POD}/io.pressure": (
                "some avg10=0.00 total=500\nfull avg10=0.00 total=100\n"
            ),
        }
    )


def test_container_of_version_1_is_what_its_own_cgroup_did(kernel: Kernel) -> None:
    hybrid(kernel, usage=5_000_000_000, throttled=1_000_000_000)
    processor = Processor(kernel.cgroups(), True, kernel.proc, cpus=2)
    assert processor.cores == 1.5
    processor.sample(1)
    hybrid(kernel, usage=7_400_000_000, throttled=1_500_000_000)
    kernel.write({"/proc/stat": STAT.format(user=9000, system=900, iowait=900, steal=30)})
    assert processor.sample(2) == {
        "busy": pytest.approx(1.2),
        "steal": 0,
        "iowait": 0,
        "throttled": pytest.approx(0.25),
    }


def test_memory_of_version_1_has_the_names_of_version_2(kernel: Kernel) -> None:
    hybrid(kernel)
    memory = Memory(kernel.cgroups(), True, kernel.proc)
    assert memory.total_mb == 2048
    memory.sample(1)
    kernel.write(
        {
            f"/sys/fs/cgroup/memory{POD}/memory.failcnt": "16\n",
            f"/sys/fs/cgroup/memory{POD}/memory.stat": (
                "total_pgmajfault 50\ntotal_inactive_file 536870912\n"
                "total_workingset_refault_file 90\n"
            ),
        }
    )
    assert memory.sample(2) == {
        "available_mb": 1024,  # 2048 - (1536 - 512)
        "swapped_in": 0,
        "major_faults": 5,
        "refaults": 10,
        "limit_hits": 5,
        "killed": 0,
    }
    assert memory.counts_alone


def test_pressure_of_a_container_is_its_own(kernel: Kernel) -> None:
    hybrid(kernel)
    kernel.write({"/proc/pressure/cpu": "some avg10=9.00 total=99\nfull avg10=9.00 total=9\n"})
    pressure = Pressure(kernel.cgroups(), True, kernel.proc)
    pressure.sample(1)
    kernel.write(
        {
            f"/sys/fs/cgroup/unified{POD}/cpu.pressure": "some avg10=0.00 total=1300000\n",
            f"/sys/fs/cgroup/unified{POD}/io.pressure": (
                "some avg10=0.00 total=200500\nfull avg10=0.00 total=50100\n"
            ),
        }
    )
    assert pressure.sample(1) == {
        "cpu_some": pytest.approx(0.3),
        "memory_some": 0,
        "memory_full": 0,
        "io_some": pytest.approx(0.2),
        "io_full": pytest.approx(0.05),
    }


def test_pressure_is_untold_in_a_container_without_version_2(kernel: Kernel) -> None:
    kernel.write(
        {
            "/proc/self/mountinfo": NAMESPACE_V1,
            "/proc/1/cgroup": "9:name=systemd:/init.scope\n",
            "/proc/pressure/cpu": "some avg10=9.00 total=99\n",
        }
    )
    (kernel.root / "sys/fs/cgroup/systemd").mkdir(parents=True)
    told = Pressure(kernel.cgroups(), True, kernel.proc).sample(1)
    assert set(told.values()) == {None}


def test_unit_of_the_host_is_not_taken_for_ours(kernel: Kernel) -> None:
    hybrid(kernel)
    inner = f"{POD}/system.slice/nginx.service"
    for unit in ("/system.slice/nginx.service", inner):
        kernel.write({f"/sys/fs/cgroup/unified{unit}/cgroup.procs": "17\n"})
    found = kernel.cgroups()
    ours = kernel.root / f"sys/fs/cgroup/unified{inner}"
    # systemd says where it is with or without what is above this machine.
    assert found.members("/system.slice/nginx.service") == ours
    assert found.members(inner) == ours


def test_unit_has_a_quota_only_where_the_cgroup_is_its_own(kernel: Kernel) -> None:
    hybrid(kernel)
    nginx, web = f"{POD}/system.slice/nginx.service", f"{POD}/system.slice/web.service"
    for unit in (nginx, web):
        kernel.write({f"/sys/fs/cgroup/systemd{unit}/cgroup.procs": "17\n18\n"})
    found = kernel.cgroups()
    assert found.members(nginx) == kernel.root / f"sys/fs/cgroup/systemd{nginx}"
    assert of_cgroup(found, nginx) is None
    kernel.write(
        {
            f"/sys/fs/cgroup/cpu{web}/cpu.cfs_quota_us": "50000\n",
            f"/sys/fs/cgroup/cpu{web}/cpu.cfs_period_us": "100000\n",
            f"/sys/fs/cgroup/cpu{web}/cpu.stat": "nr_periods 1\nthrottled_time 700000000\n",
            f"/sys/fs/cgroup/memory{web}/memory.limit_in_bytes": "9223372036854771712\n",
        }
    )
    limited = of_cgroup(found, web)
    assert limited and limited.quota() == 0.5
    assert limited.seconds()["throttled"] == 0.7
    assert OfCgroup(found, web).limit_mb() is None  # what version 1 writes for none
    assert OfCgroup(found, nginx).directory is None


def test_controllers_of_version_1_may_be_mounted_together(kernel: Kernel) -> None:
    place = "/sys/fs/cgroup/cpu,cpuacct"
    kernel.write(
        {
            "/proc/self/mountinfo": NAMESPACE_V1,
            "/proc/1/cgroup": "9:name=systemd:/init.scope\n4:cpu,cpuacct:/\n",
            f"{place}/cpuacct.usage": "2000000000\n",
            f"{place}/cpu.cfs_quota_us": "-1\n",
            f"{place}/cpu.cfs_period_us": "100000\n",
        }
    )
    (kernel.root / "sys/fs/cgroup/systemd").mkdir(parents=True)
    processor = Processor(kernel.cgroups(), True, kernel.proc, cpus=2)
    assert processor.cores == 2
    processor.sample(1)
    kernel.write({f"{place}/cpuacct.usage": "2500000000\n"})
    assert processor.sample(1)["busy"] == pytest.approx(0.5)


def v2(kernel: Kernel, usage: int, throttled: int, limit: str) -> None:
    kernel.write(
        {
            "/proc/self/mountinfo": V2,
            "/proc/1/cgroup": "0::/init.scope\n",
            "/sys/fs/cgroup/cpu.stat": (
                f"usage_usec {usage}\nuser_usec 1\nnr_periods 3\nthrottled_usec {throttled}\n"
            ),
            "/sys/fs/cgroup/cpu.max": f"{limit} 100000\n",
            "/sys/fs/cgroup/memory.max": "1073741824\n",
            "/sys/fs/cgroup/memory.current": "536870912\n",
            "/sys/fs/cgroup/memory.events": "low 0\nhigh 0\nmax 8\noom 1\noom_kill 1\n",
            "/sys/fs/cgroup/memory.stat": "anon 5\ninactive_file 0\npgmajfault 3\npswpin 4\n",
        }
    )


def test_container_of_version_2(kernel: Kernel) -> None:
    v2(kernel, 1_000_000, 0, "50000")
    processor = Processor(kernel.cgroups(), True, kernel.proc, cpus=4)
    memory = Memory(kernel.cgroups(), True, kernel.proc)
    assert (processor.cores, memory.total_mb) == (0.5, 1024)
    processor.sample(1)
    v2(kernel, 1_400_000, 600_000, "50000")
    found = processor.sample(1)
    assert (found["busy"], found["throttled"]) == (pytest.approx(0.4), pytest.approx(0.6))
    assert memory.sample(1)["available_mb"] == 512
    assert not memory.counts_alone


def test_machine_of_its_own_tells_of_the_host_that_takes_from_it(kernel: Kernel) -> None:
    v2(kernel, 1_000_000, 0, "max")
    (kernel.root / "sys/fs/cgroup/cpu.max").unlink()  # which no root of all cgroups has
    (kernel.root / "sys/fs/cgroup/memory.max").unlink()
    processor = Processor(kernel.cgroups(), False, kernel.proc, cpus=2)
    memory = Memory(kernel.cgroups(), False, kernel.proc)
    processor.sample(1)
    memory.sample(1)
    kernel.write(
        {
            "/proc/stat": STAT.format(
                user=1000 + TICKS,
                system=200 + TICKS // 2,
                iowait=50 + TICKS // 10,
                steal=30 + TICKS // 5,
            ),
            "/proc/vmstat": VMSTAT.format(faults=16, swapped=24),
        }
    )
    assert processor.cores == 2
    assert processor.sample(2) == {
        "busy": pytest.approx(0.75),
        "steal": pytest.approx(0.1),
        "iowait": pytest.approx(0.05),
        "throttled": 0,
    }
    found = memory.sample(2)
    assert found["available_mb"] == 8000
    assert (found["major_faults"], found["swapped_in"]) == (3, 2)
    assert memory.total_mb == pytest.approx(24105.1, abs=0.1)
