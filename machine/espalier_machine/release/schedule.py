"""Scheduled commands: a systemd timer for each, on the first machine of a site."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from espalier_machine.common import system
from espalier_machine.common.templates import render
from espalier_machine.release.errors import ReleaseError
from espalier_machine.release.machine import Machine

UNITS = Path("/etc/systemd/system")


def timer_file(machine: Machine, name: str) -> Path:
    """Where the timer of a scheduled command is."""
    return UNITS / f"{machine.config.schedule_unit.format(name=name)}.timer"


def timer_files(machine: Machine) -> set[Path]:
    """The timers that are there."""
    return set(UNITS.glob(machine.config.schedule_unit.format(name="*") + ".timer"))


def is_enabled(file: Path) -> bool:
    """Whether a reboot starts a timer: what `systemctl enable` makes of its [Install]."""
    return (file.parent / "timers.target.wants" / file.name).is_symlink()


def timer(scheduled: Mapping[str, str]) -> str:
    """The timer of a scheduled command."""
    return render(__package__, "schedule.timer", when=scheduled["when"])


def check_schedule(build: Mapping[str, Any]) -> None:
    """Raise ReleaseError for a time that systemd does not understand."""
    for name, scheduled in build.get("schedule", {}).items():
        done = system.run("systemd-analyze", "calendar", scheduled["when"])
        if done.returncode:
            raise ReleaseError(
                "check",
                f"`schedule: {name}: when: {scheduled['when']}` in project.yml is no time that "
                "systemd understands. Write for example daily, hourly, or Mon..Fri 06:30.",
                done.stderr,
            )
