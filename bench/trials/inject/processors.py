"""Limits of processor time and memory."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager

from bench.trials.limits import (
    check_quota,
    machine_cores,
    memory_limit,
    postgresql_unit,
    processor_quota,
    running,
)
from bench.trials.machines import CORES, Machines
from tests.steps import demand


def django_cores(machines: Machines, cores: float) -> AbstractContextManager[None]:
    """Django may use so many cores."""
    return processor_quota(machines.on, "vps1", machines.web_units, cores)


def database_cores(machines: Machines, cores: float) -> AbstractContextManager[None]:
    """PostgreSQL may use so many cores."""
    unit = postgresql_unit(machines.on, machines.database)
    return processor_quota(machines.on, machines.database, [unit], cores)


def whole_machine(machines: Machines, machine: str, cores: float) -> AbstractContextManager[None]:
    """A machine may use so many cores."""
    return machine_cores(machines.on, machines.container(machine), machine, cores, CORES)


@contextmanager
def django_memory(machines: Machines, megabytes: int) -> Iterator[None]:
    """Django may have so many MiB."""
    unit = running(machines.on, "vps1", machines.web_units)
    with memory_limit(machines.on, "vps1", unit, megabytes):
        machines.wait()
        yield
    machines.wait()


@contextmanager
def equal_parts(machines: Machines, path: str, cores: float) -> Iterator[None]:
    """Django has so many cores, and PostgreSQL what makes both full at the same rate."""
    web = running(machines.on, "vps1", machines.web_units)
    unit = postgresql_unit(machines.on, machines.database)
    with processor_quota(machines.on, "vps1", machines.web_units, cores):
        machines.ask(path, 10)
        before = _used(machines, "vps1", web), _used(machines, machines.database, unit)
        machines.ask(path, 200)  # processor time is told in hundredths of a second
        after = _used(machines, "vps1", web), _used(machines, machines.database, unit)
        django, database = (now - then for now, then in zip(after, before, strict=True))
        demand(min(django, database) > 0.05, f"{django} s and {database} s are too little to tell")
        other = cores * database / django
        with processor_quota(machines.on, machines.database, [unit], other):
            check_quota(machines.on, machines.database, unit, other)
            yield


def _used(machines: Machines, machine: str, unit: str) -> float:
    """Processor seconds of a unit's processes that run, and of their children that have ended."""
    script = (
        f"pid=$(systemctl show --property=MainPID --value {unit}); "
        'group=$(cut -d: -f2,3 /proc/$pid/cgroup | grep -m1 "name=systemd\\|^:"); '
        'for one in /proc/[0-9]*; do grep -qsF "${group#*:}" $one/cgroup && cat $one/stat; '
        "done 2> /dev/null || true; getconf CLK_TCK"
    )
    *processes, tick = machines.on(machine, script).splitlines()
    rests = [re.sub(r".*\) ", "", line).split() for line in processes]
    return sum(sum(map(int, rest[11:15])) for rest in rests) / int(tick)


@contextmanager
def cold_data(machines: Machines, buffers_mb: int, memory_mb: int) -> Iterator[None]:
    """PostgreSQL has few buffers, and its cgroup no memory for a page cache in their place."""
    unit = postgresql_unit(machines.on, machines.database)
    with ExitStack() as stack:
        stack.callback(_reset_buffers, machines)
        machines.sql(f"ALTER SYSTEM SET shared_buffers = '{buffers_mb}MB'", "postgres")
        machines.sql("ALTER SYSTEM SET effective_cache_size = '64MB'", "postgres")
        stack.enter_context(memory_limit(machines.on, machines.database, unit, memory_mb))
        machines.wait()
        read = "SELECT sum(heap_blks_read) FROM pg_statio_user_tables WHERE relname = 'nursery_row'"
        before = int(machines.sql(read))
        machines.ask("/wide/?n=50&from=77", 5)
        machines.sql("SELECT pg_stat_force_next_flush()")
        demand(int(machines.sql(read)) > before, "no block was read: all is in memory")
        yield


def _reset_buffers(machines: Machines) -> None:
    machines.sql("ALTER SYSTEM RESET shared_buffers", "postgres")
    machines.sql("ALTER SYSTEM RESET effective_cache_size", "postgres")
    machines.restart_database()
