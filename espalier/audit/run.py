"""Ask all auditors, side by side, on the control machine and on the machines of a site."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack

from espalier.audit import sandboxes, ssh
from espalier.audit.asking import (
    MachineError,
    ask_gixy,
    ask_lynis,
    ask_machine,
    ask_ssh_audit,
    ask_sslyze,
    scan_from,
    scan_from_here,
)
from espalier.audit.context import Context
from espalier.audit.expectations import expectations
from espalier.audit.rows import Row, not_checked
from espalier.inventory.remote import Remote, reach
from espalier.inventory.site import Site

# What runs on the control machine at once, scans among it.
HERE_AT_ONCE = 4
ORDER = ("machine", "ports", "ssh", "tls", "nginx", "sandboxes", "secrets", "lynis")


def audit(site: Site) -> list[Row]:
    """Look at every machine of a site; gives the rows, check by check."""
    machines = list(site.topology["machines"])
    with ExitStack() as stack:
        remote = stack.enter_context(reach(site))
        # They wait for machines, each of which has two things to do.
        there = stack.enter_context(ThreadPoolExecutor(2 * len(machines)))
        here = stack.enter_context(ThreadPoolExecutor(HERE_AT_ONCE))
        context, rows = _look(remote, there)
        jobs = [*_on_machines(context, there), *_from_here(context, here)]
        rows += _own(context)
        rows += [row for job in jobs for row in job.result()]
    rows = context.waived(rows)
    return sorted(rows, key=lambda row: (ORDER.index(row.check), machines.index(row.machine)))


def _look(remote: Remote, pool: ThreadPoolExecutor) -> tuple[Context, list[Row]]:
    """Have every machine say what it is; gives rows for those that do not answer."""
    patterns = [*expectations().limits(remote.site.name)]
    jobs = {}
    for name, placed in remote.site.topology["machines"].items():
        argument = {"address": placed["address"], "patterns": patterns}
        jobs[name] = pool.submit(ask_machine, remote, name, "look", argument)
    said, rows = {}, []
    for name, job in jobs.items():
        try:
            said[name] = job.result()
        except MachineError as error:
            rows.append(not_checked("machine", name, str(error), "an answer"))
    return Context(remote, said), rows


def _own(context: Context) -> Iterator[Row]:
    """What follows from what machines have said."""
    limits = expectations().limits(context.site.name)
    for name, said in context.said.items():
        yield from sandboxes.rows(name, said["sandboxes"], limits)
        yield from sandboxes.secret_rows(name, said["readable_secrets"])
        yield ssh.password_row(name, said["ssh_passwords"])


def _on_machines(context: Context, pool: ThreadPoolExecutor) -> Iterator[Future[list[Row]]]:
    """What machines are asked to do: scan each other, and run lynis."""
    for machine in context.said:
        if others := [other for other in context.said if other != machine]:
            yield pool.submit(scan_from, context, machine, others)
        yield pool.submit(ask_lynis, context, machine)


def _from_here(context: Context, pool: ThreadPoolExecutor) -> Iterator[Future[list[Row]]]:
    """What is asked from the control machine."""
    for machine in context.said:
        yield pool.submit(ask_ssh_audit, context, machine)
        if machine in context.site.machines("nginx"):
            yield pool.submit(ask_sslyze, context, machine)
        if {"nginx", "app_proxy"} & set(context.site.topology["machines"][machine]["services"]):
            yield pool.submit(ask_gixy, context, machine)
    for machine in context.said:
        yield pool.submit(scan_from_here, context, machine)
