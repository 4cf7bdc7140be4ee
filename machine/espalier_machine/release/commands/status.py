"""`release status`: what is live, how it is, and whether a release is running."""

from __future__ import annotations

import argparse
from typing import Any

from espalier_machine.common.text import format_table
from espalier_machine.release.locks import lock_holder
from espalier_machine.release.machine import Machine
from espalier_machine.release.processes import process_states
from espalier_machine.release.sandboxes import waiting_for_sandbox
from espalier_machine.release.status import (
    is_unfinished,
    live_state,
    platform_here,
    python_here,
    release_rows,
)


def run(machine: Machine, args: argparse.Namespace) -> dict[str, Any]:
    """What is live, how it is, and whether a release is running."""
    live, stale, lock = live_state(machine), machine.is_stale(), lock_holder(machine.lock_file)
    site_lock = lock_holder(machine.site_lock_file)
    unfinished = lock is None and not stale and is_unfinished(machine)
    table = [["project", machine.config.project], ["live", live["id"] if live else "nothing yet"]]
    if live:
        table += [["revision", f"{live['revision']} {live['version']}"], ["slot", live["slot"]]]
        table += [["since", f"{live['since'][:19]} {live['by']}"]]
        table += [["healthy", "yes" if live["healthy"] else "NO"]]
        table += [["settings", "changed; run `release restart`" if stale else "up to date"]]
    if machine.is_quiet:
        table += [["quiet", "no mail is sent, and nothing that is scheduled runs"]]
    if previous := machine.previous():
        table += [["rollback", f"goes to {previous}"]]
    if live and unfinished:
        how = (
            f"run `espalier release` on the control machine, or here `release switch {live['id']}`"
        )
        sentence = f"what follows from its switch was cut off, or has changed; {how}"
        table += [["unfinished", sentence]]
    if lock is not None:
        table += [["running", "release {what}, pid {pid}".format_map(lock) if lock else "yes"]]
    if site_lock is not None:
        table += [["whole site", "{by}, since {since}: {what}".format_map(site_lock)]]
        site_lock.pop("token", None)
    processes = process_states(machine)
    for name, one in processes.items():
        table += [["process", f"{name} {one['state']}, {one['release']}"]]
    waiting = waiting_for_sandbox()
    if waiting:
        table += [["sandbox", f"from its next start on: {', '.join(waiting)}"]]
    state: dict[str, Any] = {"live": live, "stale": stale, "processes": processes, "lock": lock}
    state |= {"unfinished": unfinished, "previous": previous, "waiting_for_sandbox": waiting}
    state["releases"] = release_rows(machine)
    state["site_lock"], state["quiet"] = site_lock, machine.is_quiet
    state["python"], state["platform"] = python_here(machine), platform_here()
    return state | {"message": format_table(table)}
