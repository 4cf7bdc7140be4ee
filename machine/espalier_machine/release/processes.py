"""The project's other processes: workers and the like, moved to the live release's code."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

from espalier_machine.common import system
from espalier_machine.release.machine import Machine
from espalier_machine.release.record import Release
from espalier_machine.release.schedule import is_enabled, timer, timer_file, timer_files
from espalier_machine.release.units import required, set_enabled, unit_states


def wanted_processes(release: Release) -> list[str]:
    """The instances that a release's other processes come to: `worker-1`, `worker-2`, …"""
    processes = release.record.get("processes", {})
    return [f"{name}-{n}" for name in processes for n in range(1, processes[name]["count"] + 1)]


@dataclasses.dataclass(frozen=True)
class Differences:
    """What of the other processes and the timers is not as the live release wants it.

    Attributes:
        processes: those that do not run with it -> the mark that says that they do.
        gone: those that it does not name any more -> their marks.
        timers: files that are missing or not enabled -> their content.
        old_timers: files that it does not want here.
    """

    processes: Mapping[str, str]
    gone: Mapping[str, Path]
    timers: Mapping[Path, str]
    old_timers: frozenset[Path]

    def __bool__(self) -> bool:
        """Whether there is any."""
        return bool(self.processes or self.gone or self.timers or self.old_timers)


def differences(machine: Machine, release: Release) -> Differences:
    """Compare this machine with what a release wants, by reading a few small files."""
    wanted = {name: f"{release.id} {machine.fingerprint()}" for name in wanted_processes(release)}
    marks = {path.name.removeprefix("process-"): path for path in machine.slots.glob("process-*")}
    has_schedule = machine.config.is_first and not machine.is_quiet
    schedule = release.record.get("schedule", {}) if has_schedule else {}
    timers = {timer_file(machine, name): timer(one) for name, one in schedule.items()}
    return Differences(
        processes={
            name: mark
            for name, mark in wanted.items()
            if name not in marks or marks[name].read_text() != mark
        },
        gone={name: path for name, path in marks.items() if name not in wanted},
        timers={
            path: text
            for path, text in timers.items()
            if not path.exists() or path.read_text() != text or not is_enabled(path)
        },
        old_timers=frozenset(timer_files(machine) - timers.keys()),
    )


def finalize_processes(machine: Machine, release: Release) -> None:
    """Have the project's other processes and its timers be those of the live release.

    A process is told to end and starts again with the new code once it has finished its job;
    nothing here waits for that. One that the release does not name any more ends the same way.
    What shows that a step was done comes last in it, so that a run that is cut off is seen.
    """
    differ = differences(machine, release)
    if not differ:
        return
    with machine.progress.step("processes", "restart the other processes with it"):
        for path in differ.old_timers:
            system.run("systemctl", "disable", "--now", path.name)
            path.unlink()
        for path, text in differ.timers.items():
            path.write_text(text)
        system.run("systemctl", "daemon-reload")
        for path in differ.timers:
            required("processes", "systemctl", "restart", path.name)
            required("processes", "systemctl", "enable", path.name)
        for name in sorted(differ.gone):
            unit = machine.config.process_unit.format(name=name)
            system.run("systemctl", "disable", unit)
            system.run("systemctl", "stop", "--no-block", unit)
            differ.gone[name].unlink()
        for name, mark in differ.processes.items():
            unit = machine.config.process_unit.format(name=name)
            set_enabled(unit, True)
            system.run("systemctl", "reset-failed", unit)
            required("processes", "systemctl", "restart", "--no-block", unit)
            (machine.slots / f"process-{name}").write_text(mark)


def process_states(machine: Machine) -> dict[str, dict[str, str]]:
    """How the other processes are: systemd's word, and the release that each was started with."""
    marks = {p.name.removeprefix("process-"): p for p in sorted(machine.slots.glob("process-*"))}
    units = [machine.config.process_unit.format(name=name) for name in marks]
    return {
        name: {
            "state": state.get("ActiveState", "unknown"),
            "release": "".join(mark.read_text().split()[:1]),
        }
        for (name, mark), state in zip(marks.items(), unit_states(units), strict=True)
    }
