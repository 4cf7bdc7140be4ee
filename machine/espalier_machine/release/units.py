"""systemd's units: their state, their log, whether a reboot starts them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from espalier_machine.common import system
from espalier_machine.common.text import last_line
from espalier_machine.release.errors import ReleaseError


def unit_state(unit: str) -> dict[str, str]:
    """What systemd says about a unit: ActiveState, NRestarts, Job (absent or 0: none queued)."""
    shown = system.run("systemctl", "show", unit, "-p", "ActiveState,NRestarts,Job").stdout
    return dict(line.split("=", 1) for line in shown.splitlines() if "=" in line)


def number(unit: str, name: str) -> int:
    """A number that systemd says of a unit; 0 where it says none."""
    shown = system.run("systemctl", "show", unit, "-p", name).stdout
    found = [line.partition("=")[2] for line in shown.splitlines() if line.startswith(f"{name}=")]
    return int(found[0]) if found else 0


def main_pid(unit: str) -> int:
    """The main process of a unit; 0 when it does not run."""
    return number(unit, "MainPID")


def memory_score(unit: str) -> int:
    """How early the kernel ends the unit's processes where memory ends: -1000 (never) to 1000."""
    return number(unit, "OOMScoreAdjust")


def unit_states(units: Sequence[str]) -> list[dict[str, str]]:
    """What systemd says about several units, in their order, for the price of one call.

    ActiveState, and UnitFileState: whether a reboot starts it.
    """
    if not units:
        return []
    shown = system.run("systemctl", "show", *units, "-p", "ActiveState,UnitFileState").stdout
    blocks = [block.splitlines() for block in shown.strip().split("\n\n")]
    states = [dict(line.split("=", 1) for line in lines if "=" in line) for lines in blocks]
    return [*states, *({} for _ in units)][: len(units)]


def is_running(state: Mapping[str, str]) -> bool:
    """Whether a unit runs, starts or stops."""
    return state.get("ActiveState") not in ("inactive", "failed")


def has_failed(state: Mapping[str, str]) -> bool:
    """Whether a unit that was asked to start has ended instead."""
    active = state.get("ActiveState")
    ended = active == "inactive" and state.get("Job", "0") in ("", "0")
    return active == "failed" or ended or state.get("NRestarts", "0") not in ("", "0")


def set_enabled(unit: str, enabled: bool) -> None:
    """Choose whether a reboot starts the unit; says nothing to systemd when it is so already."""
    if (system.run("systemctl", "is-enabled", "--quiet", unit).returncode == 0) != enabled:
        verb = "enable" if enabled else "disable"
        done = system.run("systemctl", verb, unit)
        if done.returncode:
            raise ReleaseError("switch", f"systemctl {verb} {unit} failed.", done.stderr)


def required(step: str, *argv: str) -> None:
    """Run a command of the operating system; raises ReleaseError if it fails."""
    done = system.run(*argv)
    if done.returncode:
        raise ReleaseError(step, f"{' '.join(argv)} failed: {last_line(done.stderr)}", done.stderr)


def unit_log(unit: str, since: int) -> str:
    """What the unit wrote since a moment (Unix seconds), 400 lines at most."""
    wanted = ("-u", unit, "--since", f"@{since}", "-n", "400", "-o", "cat")
    return system.run("journalctl", *wanted).stdout
