"""What is live on this machine, and how it is, as plain data."""

from __future__ import annotations

import os
import platform
import re
from typing import Any

from espalier_machine.release.machine import SLOTS, Machine
from espalier_machine.release.probe import probe
from espalier_machine.release.processes import differences
from espalier_machine.release.pythons import built_on
from espalier_machine.release.side_by_side import is_small
from espalier_machine.release.units import is_running, unit_states


def live_state(machine: Machine) -> dict[str, Any] | None:
    """The live release for JSON; `healthy` is what it answers now."""
    release, slot = machine.live(), machine.live_slot()
    if release is None or slot is None:
        return None
    state = {key: release.record[key] for key in ("identity", "revision", "version", "settings")}
    # A long time-out: a busy site is not a broken one, which a run would release again.
    healthy = probe(machine, slot, release, timeout=30).is_good(release)
    times = [row for row in machine.went_live() if row["id"] == release.id]
    since = {key: times[-1][key] if times else "" for key in ("since", "by")}
    return {"id": release.id, **state, "slot": slot, "healthy": healthy, **since}


def is_unfinished(machine: Machine) -> bool:
    """Whether `finalize` would change anything: a command that was cut off after its switch.

    Or this has become the site's first machine, which alone has timers, or is not it any more.
    Ask it only where no command runs, which is about to finish, and where nothing is stale.
    """
    release, slot = machine.live(), machine.live_slot()
    if release is None or slot is None:
        return False
    if machine.current_target() != release.id or is_small(machine, slot):
        return True
    if differences(machine, release):
        return True
    old = next(one for one in SLOTS if one != slot)
    states = unit_states([machine.unit(slot), machine.unit(old)])
    enabled = [state.get("UnitFileState") == "enabled" for state in states]
    return enabled != [True, False] or is_running(states[1])


def release_rows(machine: Machine) -> list[dict[str, Any]]:
    """Every complete release for JSON, the newest first."""
    live, good, been_live = machine.live(), machine.good(), machine.been_live()
    keys = ("identity", "revision", "version", "source", "prepared")
    return [
        {"id": release.id, **{key: release.record[key] for key in keys}}
        # The control machine compares it with the system's Python of now.
        | {"python": built_on(release.record)}
        | {"live": bool(live and live.id == release.id), "good": release.id in good}
        | {"rolled_back": release.id in been_live and release.id not in good}
        for release in machine.all()
    ]


def platform_here() -> str:
    """What compiled code of one machine must have in common with another: Debian's release, and
    the processor.
    """
    system = platform.freedesktop_os_release()
    return f"{system['NAME']} {system.get('VERSION_ID', '')} on {platform.machine()}"


def python_here(machine: Machine) -> str:
    """The X.Y of the Python that a release would be built with now, or "" if its name hides it."""
    name = os.path.basename(os.path.realpath(machine.config.python))
    found = re.fullmatch(r"python(\d+\.\d+)", name)
    return found[1] if found else ""
