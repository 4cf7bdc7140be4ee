"""Limits on processor time and memory of a machine's units, put on, checked by measuring, undone.

In the lab cgroups are often of version 1: a unit gets a cgroup for its processor time when
`systemctl set-property` runs, and a memory limit below what is in use is refused, so that a unit
is restarted for it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from espalier.lab.process import podman
from tests.steps import Wrong, demand, soon

# Runs a script as root on a machine (by address or name, as the caller's machines are named).
On = Callable[[str, str], str]

# The directory of a controller's cgroup of the unit $unit, for both versions of cgroups.
_DIRECTORY = r"""
directory() {  # controller
  pid=$(systemctl show --property=MainPID --value "$unit")
  for line in $(cut -d: -f2,3 "/proc/$pid/cgroup"); do
    controllers=${line%%:*} path=${line#*:}
    case ",$controllers," in
      *",$1,"*) for root in "/sys/fs/cgroup/$controllers" "/sys/fs/cgroup/$1"; do
                  test -d "$root$path" && echo "$root$path" && return
                done ;;
      ",,") test -e "/sys/fs/cgroup$path/$1.max" && echo "/sys/fs/cgroup$path" && return ;;
    esac
  done
  echo "no cgroup of $1 for $unit" >&2; return 1
}
"""
# What a process that never rests gets in the unit's cgroup, in cores; the rest of the unit idles.
_MEASURE = (
    _DIRECTORY
    + r"""
where=$(directory cpu)
python3 - "$where" <<'END'
import os, sys, time
open(f"{sys.argv[1]}/cgroup.procs", "w").write(str(os.getpid()))
began = time.monotonic()
while time.monotonic() < began + 2: sum(range(1000))
print(time.process_time() / (time.monotonic() - began))
END
"""
)
_MEMORY = (
    _DIRECTORY
    + r"""
where=$(directory memory)
cat "$where/memory.limit_in_bytes" 2> /dev/null || cat "$where/memory.max"
"""
)
WEB_UNITS = "{project}-web@blue.service", "{project}-web@green.service"


def web_units(project: str) -> list[str]:
    """The units of the web server, of which one runs and the other one comes with a release."""
    return [unit.format(project=project) for unit in WEB_UNITS]


def postgresql_unit(on: On, machine: str) -> str:
    """The unit of a machine's cluster."""
    found = on(machine, "systemctl list-units --plain --no-legend --state=active 'postgresql@*'")
    demand(found.split(), f"no cluster runs on {machine}")
    return found.split()[0]


def running(on: On, machine: str, units: Sequence[str]) -> str:
    """The unit of several that runs."""
    for unit in units:
        if on(machine, f"systemctl is-active {unit} || true").strip() == "active":
            return unit
    raise Wrong(f"none of {', '.join(units)} runs on {machine}")


def granted(on: On, machine: str, unit: str) -> float:
    """Cores that a process gets in a unit's cgroup at most, measured for two seconds."""
    return float(on(machine, f"unit={unit}\n{_MEASURE}").split()[-1])


def check_quota(on: On, machine: str, unit: str, cores: float) -> None:
    """Wrong unless a quota has taken effect: one process is held back to it.

    A quota of a core or more is no limit for one process, and is read instead.
    """
    if cores < 0.95:
        got = granted(on, machine, unit)
        demand(got <= cores * 1.3 + 0.03, f"{unit} on {machine} gets {got:.2f} of {cores} cores")
        return
    said = on(machine, f"systemctl show --property=CPUQuotaPerSecUSec --value {unit}").strip()
    demand(said != "infinity", f"{unit} on {machine} has no quota")


@contextmanager
def processor_quota(on: On, machine: str, units: Sequence[str], cores: float) -> Iterator[None]:
    """Let units have so many cores meanwhile; the one that runs is checked."""
    percent = max(round(cores * 100), 1)
    names = " ".join(units)
    try:
        on(
            machine,
            f"for unit in {names}; do systemctl set-property --runtime $unit CPUQuota={percent}%; "
            "done",
        )
        check_quota(on, machine, running(on, machine, units), cores)
        yield
    finally:
        on(
            machine,
            f"for unit in {names}; do systemctl set-property --runtime $unit CPUQuota=; done",
        )


@contextmanager
def memory_limit(on: On, machine: str, unit: str, megabytes: int) -> Iterator[None]:
    """Let a unit have so many MiB of memory meanwhile; it is restarted before and after."""
    restart = f"systemctl stop {unit}; systemctl set-property --runtime {unit} MemoryMax="
    try:
        on(machine, f"{restart}{megabytes}M; systemctl start {unit}")
        bytes_ = on(machine, f"unit={unit}\n{_MEMORY}").split()[-1]
        said = f"{unit} on {machine} may have {bytes_} bytes, and {megabytes} MiB were asked for"
        demand(bytes_.isdigit() and int(bytes_) <= megabytes * 2**20, said)
        yield
    finally:
        on(machine, f"{restart}infinity; systemctl start {unit}")


@contextmanager
def machine_cores(
    on: On, container: str, machine: str, cores: float, before: float
) -> Iterator[None]:
    """Let a whole machine have so many cores meanwhile, and `before` cores after."""
    try:
        podman("update", "--cpus", str(cores), container)
        if cores < 0.95:
            burn = (
                "python3 -c 'import time\nb = time.monotonic()\n"
                "while time.monotonic() < b + 2: sum(range(1000))\n"
                "print(time.process_time() / (time.monotonic() - b))'"
            )
            demand(
                soon(lambda: float(on(machine, burn).split()[-1]) <= cores * 1.3 + 0.03, 15),
                f"{machine} gets more than {cores} cores",
            )
        yield
    finally:
        podman("update", "--cpus", str(before), container)
        time.sleep(1)
