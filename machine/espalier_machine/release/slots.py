"""The two slots, blue and green: start one, wait until it is ready, drain and stop one."""

from __future__ import annotations

import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from espalier_machine.common import system, templates
from espalier_machine.common.excerpt import error_line
from espalier_machine.common.text import last_line
from espalier_machine.release.errors import ReleaseError
from espalier_machine.release.explain import explain_start, ran_out_of_memory
from espalier_machine.release.machine import SLOTS, Machine, point
from espalier_machine.release.probe import ask, probe
from espalier_machine.release.record import Release
from espalier_machine.release.side_by_side import size_file
from espalier_machine.release.units import has_failed, set_enabled, unit_log, unit_state
from espalier_machine.release.unwritable import write_hint
from espalier_machine.release.victims import offer

WARM_REQUESTS = 8


def idle_slot(live: str | None) -> str:
    """The slot that a new release starts in: the one that is not live."""
    return SLOTS[1] if live == SLOTS[0] else SLOTS[0]


def stop_slot(machine: Machine, slot: str) -> None:
    """Stop the slot's unit; it finishes its requests first, for `drain_timeout` seconds at most."""
    unit = machine.unit(slot)
    try:
        system.run("systemctl", "stop", unit, timeout=machine.config.drain_timeout)
    except subprocess.TimeoutExpired:
        machine.progress.tell(f"{unit} did not finish its requests in time and is ended")
        system.run("systemctl", "kill", "--signal=SIGKILL", unit)
        system.run("systemctl", "stop", unit)


def abandon_slot(machine: Machine, slot: str, previous: str | None) -> None:
    """Undo the start of a slot that did not go live: stop it, point it where it pointed."""
    if machine.live_slot() == slot:
        return
    stop_slot(machine, slot)
    size_file(machine, slot).unlink(missing_ok=True)
    system.run("systemctl", "reset-failed", machine.unit(slot))
    with suppress(ReleaseError):
        set_enabled(machine.unit(slot), False)
    link = machine.slots / slot
    if previous:
        point(link, f"../releases/{previous}")
    else:
        link.unlink(missing_ok=True)


def wait_until_ready(machine: Machine, slot: str, release: Release, since: int) -> None:
    """Probe until the release answers; raises ReleaseError with the unit's log when it does not."""
    unit, limit = machine.unit(slot), machine.config.probe_timeout
    deadline = time.monotonic() + limit
    while True:
        offer(unit)  # again and again: it starts others
        answer = probe(machine, slot, release)
        sentence = f"{unit} did not become ready within {limit:g} s; its last answer was {answer}"
        if answer.is_good(release):
            return
        if has_failed(unit_state(unit)):
            sentence = f"{unit} ended while it started"
            break
        if time.monotonic() > deadline:
            break
        time.sleep(0.2)
    log, cause = explain_start(unit_log(unit, since), release.record.get("sqlite", ()))
    raise ReleaseError("switch", f"{sentence}{cause}", log)


def warm_up(machine: Machine, slot: str, release: Release, since: int) -> None:
    """Ask for the front page in every worker, so that no first request is slow.

    Raises ReleaseError if it is a server error: a release can be ready, and all its pages broken;
    or if a worker was ended for want of memory, which goes on as soon as it is live.
    """
    with ThreadPoolExecutor(WARM_REQUESTS) as pool:
        pages = pool.map(lambda _: ask(machine, slot, "/", timeout=30), range(WARM_REQUESTS))
        found = [page.status for page in pages]
    broken = [status for status in found if status >= 500]
    if broken or 0 in found:
        time.sleep(0.5)  # the journal is a moment behind
    log = unit_log(machine.unit(slot), since)
    if ran_out_of_memory(log):  # another worker may have answered in place of the one that ended
        raise ReleaseError("switch", f"{machine.unit(slot)} started{explain_start(log)[1]}", log)
    if broken:
        if "Traceback" not in log:
            log = f"{log}\n{front_page_traceback(machine, release)}".strip()
        hint = write_hint(log, release.record.get("sqlite", ()))
        cause = f": {error_line(log)}{hint}" if "Traceback" in log else "."
        sentence = f"the front page answers {broken[0]}, though the release is ready{cause}"
        raise ReleaseError("switch", sentence, log)


def front_page_traceback(machine: Machine, release: Release) -> str:
    """What the front page raises in a process of its own; "" where it raises nothing there."""
    script = templates.read(__package__, "front_page.py")
    argv = [release.python, "-c", script, machine.config.probe_host]
    env = machine.environment(release)
    try:
        machine.run(argv, "switch", last_line, env, release.workdir)
    except ReleaseError as error:
        return error.detail
    return ""


def backlog(listing: str, path: str) -> int:
    """Connections waiting to be accepted at the unix socket `path`, from `ss -xlnH`."""
    rows = [row.split() for row in listing.splitlines()]
    return sum(int(row[2]) for row in rows if len(row) > 4 and row[4] == path)


def wait_for_backlog(machine: Machine, slot: str) -> None:
    """Wait, 10 s at most, until the slot's socket has no connection waiting, twice 0.1 s apart."""
    empty, deadline = 0, time.monotonic() + 10
    while empty < 2 and time.monotonic() < deadline:
        time.sleep(0.1)
        empty = 0 if backlog(system.run("ss", "-xlnH").stdout, machine.socket(slot)) else empty + 1
