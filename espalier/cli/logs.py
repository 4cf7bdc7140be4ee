"""espalier logs: what Django writes on every machine."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import click

from espalier.cli.command import site_command
from espalier.inventory.remote import reach
from espalier.inventory.site import Site


@site_command()
@click.option("-f", "--follow", is_flag=True, help="Go on as lines are written.")
@click.option("-n", "--lines", type=int, default=50, show_default=True, help="Of each machine.")
def command(site: Site, follow: bool, lines: int) -> int:
    """Follow what Django says on every machine."""
    journal = ["journalctl", "--no-hostname", "-n", str(lines), "-o", "short-iso"]
    journal += ["-f"] if follow else []
    journal += ["-t", f"{site.name}-web"]
    with reach(site) as remote:
        jobs = {
            machine: remote.start(machine, journal, stdout=subprocess.PIPE)
            for machine in site.app_machines
        }
        return _print(jobs)


def _print(jobs: dict[str, subprocess.Popen[str]]) -> int:
    """Print the lines of all machines as they come.

    Gives the worst exit status; 0 where nobody reads on (`| head`), 130 if the person ended it.
    """
    width = max(map(len, jobs))
    ended: int | None = None

    def end(status: int) -> None:
        nonlocal ended
        ended = status
        for job in jobs.values():
            job.terminate()

    def copy(machine: str) -> None:
        for line in jobs[machine].stdout or ():
            try:
                print(f"{machine:<{width}}  {line}", end="", flush=True)
            except BrokenPipeError:
                # Python would complain at its end about what it could not write.
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
                return end(0)

    threads = [threading.Thread(target=copy, args=(machine,), daemon=True) for machine in jobs]
    for thread in threads:
        thread.start()
    try:
        for thread in threads:
            thread.join()
    except KeyboardInterrupt:
        end(130)
    worst = max(abs(job.wait()) for job in jobs.values())
    return worst if ended is None else ended
