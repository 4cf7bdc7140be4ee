"""Two releases have to fit side by side: the new one may start with fewer workers than it gets."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from espalier_machine.release import footprint, memory
from espalier_machine.release.environment import format_environment, parse_environment
from espalier_machine.release.errors import ReleaseError
from espalier_machine.release.explain import ran_out_of_memory
from espalier_machine.release.footprint import Footprint
from espalier_machine.release.machine import Machine
from espalier_machine.release.memory import MEGABYTE, ROOT, Memory
from espalier_machine.release.record import Release
from espalier_machine.release.units import main_pid, unit_log

# What a slot starts with beside the environment file; gone after a reboot, which starts one alone.
RUN = Path("/run")
WORKERS = "ESPALIER_WEB_WORKERS"
# Or a twentieth of the machine: half of what a build leaves, as the two are together for seconds.
RESERVE = 32 * MEGABYTE
SUPERVISOR = "uvicorn/supervisors/multiprocess.py"
BEGINS = 5  # seconds that a worker may take to appear, once it was asked for
SETTLES = 5  # seconds in which workers that were added load the project


def size_file(machine: Machine, slot: str) -> Path:
    """The file that the slot's unit reads after the environment file (`EnvironmentFile=`)."""
    return RUN / f"{machine.unit(slot)}.env"


def least(server: str, wanted: int, venv: Path | None) -> int:
    """With how many workers a server can start and still get the others later, by SIGTTIN.

    uvicorn takes it where it has more than one worker; before version 0.30 it does not, which its
    virtual environment tells once there is one. granian and uwsgi do not offer it.
    """
    if server == "gunicorn":
        return 1
    if server != "uvicorn":
        return wanted
    files = venv.glob(f"lib/python*/site-packages/{SUPERVISOR}") if venv else []
    offers = venv is None or any("SIGTTIN" in file.read_text() for file in files)
    return min(2, wanted) if offers else wanted


def count_at_start(found: Footprint, free: Memory, server: str, wanted: int, lowest: int) -> int:
    """With how many of `wanted` workers a release starts beside the live one.

    Raises ReleaseError when fewer fit than its server can start with (`lowest`).
    """
    kept = max(RESERVE, free.total // 20)
    spare, swap = max(0, free.available - kept), free.swap // 2
    fits = min(wanted, found.fitting(spare + swap))
    if fits >= lowest:
        return fits
    takes = (found.main + lowest * found.worker) // MEGABYTE
    more = f" and {swap // MEGABYTE} MB of swap" if swap else ""
    less = f"{server} starts with {lowest} workers, which" if lowest > 1 else "one worker"
    gunicorn = "" if lowest == 1 else ", `server: gunicorn` in project.yml, which can do with one"
    raise ReleaseError(
        "memory",
        f"a second release does not fit beside the live one: {less} would take {takes} MB, as the "
        f"live release's do, and {spare // MEGABYTE} MB{more} can be spared; {free}, "
        f"and {kept // MEGABYTE} MB are kept for what serves. What helps: swap or a "
        f"larger machine{gunicorn}.",
    )


def plan(
    machine: Machine, build: Mapping[str, Any], venv: Path | None = None, *, insist: bool = False
) -> tuple[int, int]:
    """How many workers a release is to have, and with how many it starts beside the live one.

    The live one is measured: what a new one will take, nobody knows. Both are 0 where nothing is
    live, or nothing can be seen. Without `venv`, nothing is built yet.

    Raises ReleaseError with figures when not even one worker fits, unless `insist`ed on.
    """
    slot = machine.live_slot()
    wanted = int(machine.environment().get(WORKERS, 0))
    found = footprint.measure(main_pid(machine.unit(slot))) if slot and wanted else None
    if not found:
        return 0, 0
    server = build.get("server") or "gunicorn"
    lowest = least(server, wanted, venv)
    try:
        return wanted, count_at_start(found, memory.read(), server, wanted, lowest)
    except ReleaseError:
        if not insist:
            raise
        return wanted, lowest


def write_size(machine: Machine, slot: str, release: Release) -> None:
    """Have the slot start with as many workers of the release as fit; see `plan`.

    One that was live before is tried in any case: it is what a site goes back to when the live one
    takes too much, and the kernel ends it before the live one.
    """
    size_file(machine, slot).unlink(missing_ok=True)
    insist = release.id in machine.been_live()
    wanted, fits = plan(machine, release.record, release.path / "venv", insist=insist)
    if fits == wanted:
        return
    machine.progress.tell(f"with {fits} of {wanted} workers until the old release has made room")
    given = machine.environment(release).get("GUNICORN_CMD_ARGS", "")
    size = {WORKERS: str(fits), "GUNICORN_CMD_ARGS": f"{given} --workers={fits}".strip()}
    file = size_file(machine, slot)
    file.touch(mode=0o600)
    file.write_text(format_environment(size))


def is_small(machine: Machine, slot: str) -> bool:
    """Whether the slot waits for the rest of its workers."""
    return size_file(machine, slot).exists()


def catches(pid: int, number: signal.Signals, root: Path = ROOT) -> bool:
    """Whether a process has a handler for a signal; SIGTTIN would stop one that has none."""
    with suppress(OSError):
        for line in (root / f"proc/{pid}/status").read_text().splitlines():
            if line.startswith("SigCgt:"):
                return bool(int(line.split()[1], 16) >> (number - 1) & 1)
    return False


def add_workers(pid: int, count: int) -> int:
    """Have a web server start so many workers more; returns how many it has started.

    One after another: of a signal that is sent twice at once, only one arrives.
    """
    begun = len(footprint.children(pid))
    for number in range(1, count + 1):
        if not catches(pid, signal.SIGTTIN):
            return number - 1
        os.kill(pid, signal.SIGTTIN)
        deadline = time.monotonic() + BEGINS
        while len(footprint.children(pid)) < begun + number:
            if time.monotonic() > deadline:
                return number - 1
            time.sleep(0.1)
    return count


def grow(machine: Machine, slot: str) -> None:
    """Give the live slot the rest of its workers, now that it is alone."""
    if not is_small(machine, slot):
        return
    unit, file = machine.unit(slot), size_file(machine, slot)
    had = int(parse_environment(file.read_text(), str(file))[WORKERS])
    missing = int(machine.environment()[WORKERS]) - had
    with machine.progress.step("workers", f"start {missing} more workers of it"):
        file.unlink()  # from here on, it starts whole
        if (added := add_workers(main_pid(unit), missing)) < missing:
            machine.progress.tell(f"{missing - added} did not start; `release restart` tries again")
        time.sleep(SETTLES)


def tell_of_memory(machine: Machine, slot: str, since: int) -> None:
    """Say so if a process of a slot was ended for want of memory since a moment (Unix seconds)."""
    unit = machine.unit(slot)
    if ran_out_of_memory(unit_log(unit, since)):
        machine.progress.tell(
            f"a process of {unit} was ended for want of memory; what helps: swap or a larger "
            "machine"
        )
