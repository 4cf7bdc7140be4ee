#!/usr/bin/env python3
"""Measure backups on two lab machines: what they cost, how large they are, how they come back.

\b
    bench/backups.py                  all of it, with a database of 1 GB
    bench/backups.py --gb 1 --gb 10   and of 10 GB; 60 GB of disk, and two hours
    bench/backups.py writes           what archiving costs writes, small commits and bulk inserts
    bench/backups.py window           seconds of acknowledged rows that a machine would take along
    bench/backups.py copies           size, drill, restore on the same machine and on a new one

Machines of one core and 1 GiB; the S3 server is rclone on this host, with files on its disk. What
is compared alternates in one run. Requests while a backup is made are counted by the scenario
`backup`, step `under_load`. What each command wrote is in .lab/bench-backups/commands.log.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from types import FrameType

import click

from bench.backup_copies import measure_copies
from bench.backup_lab import Bench
from bench.backup_writes import measure_window, measure_writes
from tests.steps import Wrong

NAMES = ("writes", "window", "copies")
MINUTES, MINUTES_PER_GB = 60, 15  # after which it gives up


def give_up(number: int, frame: FrameType | None) -> None:
    """End, as a person wants, or since it takes too long; the machines are removed."""
    raise Wrong(f"stopped by {signal.Signals(number).name}")


def measure(bench: Bench, wanted: tuple[str, ...], sizes: tuple[float, ...]) -> None:
    """Measure what is wanted, and print a row for each figure."""
    rows: list[tuple[str, str]] = []
    works = {
        "writes": lambda: measure_writes(bench),
        "window": lambda: measure_window(bench),
        "copies": lambda: [row for gb in sorted(sizes) for row in measure_copies(bench, gb)],
    }
    try:
        for name in NAMES:
            if name in wanted:
                print(f"== {name}", flush=True)
                rows += works[name]()
    finally:
        print("| | |\n| --- | --- |")
        print("\n".join(f"| {what} | {figure} |" for what, figure in rows), flush=True)


@click.command(help=__doc__)
@click.option("--gb", "sizes", type=float, multiple=True, default=(1.0,), show_default=True)
@click.argument("names", nargs=-1, type=click.Choice(NAMES))
def main(names: tuple[str, ...], sizes: tuple[float, ...]) -> None:
    """Make the machines, measure, and remove them."""
    signal.signal(signal.SIGALRM, give_up)
    signal.signal(signal.SIGTERM, give_up)
    signal.alarm(60 * (MINUTES + int(MINUTES_PER_GB * sum(sizes))))
    print(f"load of this host before: {os.getloadavg()[0]:.1f}", flush=True)
    bench = Bench()
    try:
        bench.up()
        measure(bench, names or NAMES, sizes)
    except (Wrong, ValueError, OSError, subprocess.SubprocessError) as error:
        sys.exit(f"bench-backups: WRONG: {error}")
    finally:
        signal.alarm(0)
        bench.down()


if __name__ == "__main__":
    main()
