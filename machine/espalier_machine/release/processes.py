"""The project's other processes: workers and the like, moved to the live release's code."""

from __future__ import annotations

from espalier_machine.common import system
from espalier_machine.release.machine import Machine
from espalier_machine.release.record import Release
from espalier_machine.release.schedule import timer, timer_file, timer_files
from espalier_machine.release.units import required, set_enabled, unit_state


def wanted_processes(release: Release) -> list[str]:
    """The instances that a release's other processes come to: `worker-1`, `worker-2`, …"""
    processes = release.record.get("processes", {})
    return [f"{name}-{n}" for name in processes for n in range(1, processes[name]["count"] + 1)]


def finalize_processes(machine: Machine, release: Release) -> None:
    """Have the project's other processes and its timers be those of the live release.

    A process is told to end and starts again with the new code once it has finished its job;
    nothing here waits for that. One that the release does not name any more ends the same way.
    """
    wanted = {name: f"{release.id} {machine.fingerprint()}" for name in wanted_processes(release)}
    marks = {path.name.removeprefix("process-"): path for path in machine.slots.glob("process-*")}
    schedule = release.record.get("schedule", {}) if machine.config.is_first else {}
    timers = {timer_file(machine, name): timer(one) for name, one in schedule.items()}
    there = timer_files(machine)
    changed = [p for p, text in timers.items() if not p.exists() or p.read_text() != text]
    stale = [
        name
        for name, text in wanted.items()
        if name not in marks or marks[name].read_text() != text
    ]
    gone = marks.keys() - wanted.keys()
    if not (stale or gone or changed or there - timers.keys()):
        return
    with machine.progress.step("processes", "restart the other processes with it"):
        for path in there - timers.keys():
            system.run("systemctl", "disable", "--now", path.name)
            path.unlink()
        for path in changed:
            path.write_text(timers[path])
        system.run("systemctl", "daemon-reload")
        for path in changed:
            required("processes", "systemctl", "enable", path.name)
            required("processes", "systemctl", "restart", path.name)
        for name in sorted(gone):
            unit = machine.config.process_unit.format(name=name)
            system.run("systemctl", "disable", unit)
            system.run("systemctl", "stop", "--no-block", unit)
            marks[name].unlink()
        for name in stale:
            unit = machine.config.process_unit.format(name=name)
            set_enabled(unit, True)
            system.run("systemctl", "reset-failed", unit)
            required("processes", "systemctl", "restart", "--no-block", unit)
            (machine.slots / f"process-{name}").write_text(wanted[name])


def process_states(machine: Machine) -> dict[str, dict[str, str]]:
    """How the other processes are: systemd's word, and the release that each was started with."""
    states = {}
    for mark in sorted(machine.slots.glob("process-*")):
        name = mark.name.removeprefix("process-")
        unit = machine.config.process_unit.format(name=name)
        state = unit_state(unit).get("ActiveState", "unknown")
        states[name] = {"state": state, "release": mark.read_text().split()[0]}
    return states
