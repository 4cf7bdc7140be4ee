"""Puts a release live by renaming one symlink, and finishes what follows from it."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from typing import Any

from espalier_machine.common import system
from espalier_machine.common.text import now
from espalier_machine.release.errors import ReleaseError
from espalier_machine.release.history import format_line
from espalier_machine.release.machine import Machine, point
from espalier_machine.release.on_error import rollback_on_error
from espalier_machine.release.processes import finalize_processes
from espalier_machine.release.record import Release
from espalier_machine.release.result import done
from espalier_machine.release.side_by_side import grow, tell_of_memory, write_size
from espalier_machine.release.slots import (
    abandon_slot,
    idle_slot,
    stop_slot,
    wait_for_backlog,
    wait_until_ready,
    warm_up,
)
from espalier_machine.release.static import publish_static
from espalier_machine.release.status import live_state
from espalier_machine.release.units import is_running, set_enabled, unit_state
from espalier_machine.release.victims import spare


def switch(machine: Machine, release: Release, rollback: ExitStack, left: str = "") -> None:
    """Start the release in the idle slot and, when it answers, switch traffic to it.

    `left` is the id that a rollback leaves with it, for the history.
    """
    slot = idle_slot(machine.live_slot())
    unit, sock = machine.unit(slot), machine.socket(slot)
    with machine.progress.step("switch", f"start {release.id} in the {slot} slot"):
        stop_slot(machine, slot)
        write_size(machine, slot, release)
        rollback.callback(abandon_slot, machine, slot, machine.slot_target(slot))
        point(machine.slots / slot, f"../releases/{release.id}")
        (machine.slots / f"{slot}.fingerprint").write_text(machine.fingerprint())
        since = int(time.time())
        # systemd may not know yet that the unit or its socket's directory has changed.
        system.run("systemctl", "daemon-reload")
        system.run("systemd-tmpfiles", "--create", f"/etc/tmpfiles.d/{machine.config.project}.conf")
        system.run("systemctl", "reset-failed", unit)  # also sets its count of restarts to zero
        started = system.run("systemctl", "start", "--no-block", unit)
        if started.returncode:
            raise ReleaseError("switch", f"systemctl start {unit} failed.", started.stderr)
        wait_until_ready(machine, slot, release, since)
        warm_up(machine, slot, release, since)
    with machine.progress.step("switch", "switch traffic to it"):
        if folder := release.record["static"]:
            with machine.as_user():
                publish_static(release.path / folder, machine.static, replace=True)
        # Enabled before the rename, and the other disabled after it (in `finalize`): wherever this
        # is killed in between, a reboot still starts the slot that nginx connects to.
        set_enabled(unit, True)
        with open(machine.history, "a") as history:
            history.write(format_line(now(), release.id, slot, machine.by, left))
        point(machine.config.live_socket, sock)
        purge_cache(machine)


def purge_cache(machine: Machine) -> None:
    """Remove what nginx has cached of the release before; a missing file is a miss to nginx.

    Finished pages only, whose names are 32 hexadecimal digits: nginx may be writing the others.
    """
    for cache in machine.config.page_caches:
        for page in cache.glob("*/*/" + "[0-9a-f]" * 32):
            with suppress(OSError):  # nginx tidies up as well
                page.unlink()


def finalize(machine: Machine) -> None:
    """Make everything else agree with the live slot: links, what a reboot starts, the old slot.

    Also finishes what a run that was killed after its switch left open.
    """
    live = machine.live_slot()
    target = machine.slot_target(live) if live else None
    if live is None or target is None:
        return
    old, since = idle_slot(live), int(time.time())
    spare(machine.unit(live))
    with machine.progress.step("retire", f"retire the {old} slot"):
        if machine.current_target() != target:
            point(machine.current, f"releases/{target}")
        set_enabled(machine.unit(live), True)
        set_enabled(machine.unit(old), False)
        if is_running(unit_state(machine.unit(old))):
            wait_for_backlog(machine, old)
            stop_slot(machine, old)
            purge_cache(machine)  # its last answers came after the switch
        # What neither runs nor starts after a reboot may be removed.
        (machine.slots / old).unlink(missing_ok=True)
    grow(machine, live)
    tell_of_memory(machine, live, since)
    if release := machine.live():
        finalize_processes(machine, release)


def put_live(
    machine: Machine, release: Release, rollback: ExitStack, *, leave: bool = False
) -> str:
    """Switch to the release unless that changes nothing; returns what was done in a word.

    With `leave`, which a rollback means, none goes to the release that was live, until it is again.
    """
    live = live_state(machine)
    if not live or live["id"] != release.id:
        switch(machine, release, rollback, left=live["id"] if live and leave else "")
        return "switched"
    if live["healthy"] and not machine.is_stale():
        return "unchanged"
    switch(machine, release, rollback)
    return "restarted"


def go_live(
    machine: Machine, release: Release, put: Callable[[Machine, Release, ExitStack], str]
) -> dict[str, Any]:
    """Put a prepared release live in the way `put` does."""
    with rollback_on_error() as rollback:
        action = put(machine, release, rollback)
    finalize(machine)
    return done(action, release, f"release {release.id} is live ({action}).")
