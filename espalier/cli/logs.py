"""espalier logs: what Django writes on every machine."""

from __future__ import annotations

import subprocess
import threading

import click

from espalier.cli.options import site_command
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
    """Print the lines of all machines as they come; gives the worst exit status."""
    width = max(map(len, jobs))

    def copy(machine: str) -> None:
        for line in jobs[machine].stdout or ():
            print(f"{machine:<{width}}  {line}", end="", flush=True)

    threads = [threading.Thread(target=copy, args=(machine,), daemon=True) for machine in jobs]
    for thread in threads:
        thread.start()
    try:
        for thread in threads:
            thread.join()
    except KeyboardInterrupt:
        for job in jobs.values():
            job.terminate()
    return max(job.wait() for job in jobs.values())
