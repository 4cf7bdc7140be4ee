"""What is free and what was taken, read from trees of both versions of cgroups."""

from __future__ import annotations

import pytest

from espalier_machine.release import memory
from espalier_machine.release.memory import Faults, Memory, Taken

MB = 1 << 20
MEMINFO = "MemTotal: 24000 kB\nMemFree: 100 kB\nMemAvailable: 8000 kB\nSwapFree: 512 kB\n"


def tree(root, cgroup, files):
    """A tree with /proc/meminfo, /proc/self/cgroup and files below /sys/fs/cgroup."""
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/meminfo").write_text(MEMINFO)
    (root / "proc/self/cgroup").write_text(cgroup)
    for name, text in files.items():
        path = root / "sys/fs/cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}\n")
    return root


@pytest.fixture
def version_1(tmp_path):
    """A lab machine: the host's tree is mounted, and the limit is on the machine's own cgroup."""
    return tree(
        tmp_path,
        "9:name=systemd:/pod/system.slice/ssh.service\n4:cpuset,memory:/pod/system.slice\n0::/pod\n",
        {
            "memory/memory.limit_in_bytes": 9223372036854771712,
            "memory/memory.usage_in_bytes": 20000 * MB,
            "memory/pod/memory.limit_in_bytes": 6 * MB,
            "memory/pod/memory.usage_in_bytes": 5 * MB,
            "memory/pod/memory.stat": (
                f"inactive_file 1\ntotal_inactive_file {MB}\ntotal_active_file {MB}"
            ),
            "memory/pod/system.slice/memory.limit_in_bytes": 9223372036854771712,
            "memory/pod/system.slice/memory.max_usage_in_bytes": 4 * MB,
            "memory/pod/system.slice/memory.oom_control": "oom_kill_disable 0\noom_kill 2",
        },
    )


@pytest.fixture
def version_2(tmp_path):
    """A unit with a limit, below a slice with a smaller one."""
    return tree(
        tmp_path,
        "0::/a.slice/b.scope\n",
        {
            "cgroup.controllers": "memory",
            "a.slice/memory.max": 4 * MB,
            "a.slice/memory.current": 3 * MB,
            "a.slice/memory.stat": f"anon 9\ninactive_file {MB}\nslab_reclaimable 1024",
            "a.slice/b.scope/memory.max": 20 * MB,
            "a.slice/b.scope/memory.current": 20 * MB - 10,
            "a.slice/b.scope/memory.stat": f"inactive_file {5 * MB}\npgmajfault 7",
            "a.slice/b.scope/memory.peak": 19 * MB,
            "a.slice/b.scope/memory.events": "max 5\noom 4\noom_kill 3\noom_group_kill 1",
        },
    )


def test_version_1_knows_the_machine_s_limit(version_1):
    assert memory.read(version_1) == Memory(6 * MB, 3 * MB, 512 * 1024)
    assert memory.taken(root=version_1) == Taken(4 * MB, 2)
    assert memory.faults("self", version_1) == Faults(False, 0)


def test_version_2_goes_by_the_smallest_limit_above(version_2):
    assert memory.read(version_2) == Memory(4 * MB, 2 * MB + 1024, 512 * 1024)
    assert memory.taken(root=version_2) == Taken(19 * MB, 3)
    assert memory.faults("self", version_2) == Faults(True, 7)


def test_without_any_limit_the_machine_itself_counts(tmp_path):
    root = tree(tmp_path, "0::/init.scope\n", {"init.scope/memory.max": "max"})
    assert memory.read(root) == Memory(24000 * 1024, 8000 * 1024, 512 * 1024)
    assert memory.taken(root=root) == Taken(0, 0)


def test_a_process_that_is_gone_has_taken_nothing_known(tmp_path):
    assert memory.taken("99", tree(tmp_path, "", {})) == Taken(0, 0)
