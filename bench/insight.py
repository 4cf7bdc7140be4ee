#!/usr/bin/env python3
"""Measure what measuring costs: Django's timing of requests, and the program that records.

    bench/insight.py [ROUNDS]

One lab machine with the example site. In each round the front page is asked for 1,000 times with
timing off, and 1,000 times with it on, half of the rounds in the other order; printed is what a
page costs nginx, Django and PostgreSQL in processor time, and the ratio of the medians. Then
`espalier measure` records for two minutes while pages are asked for at 20 a second, and says what
it took itself.
"""

from __future__ import annotations

import json
import statistics
import sys
import threading
import time
from pathlib import Path

from bench.run import BENCH, ROOT, converge, lab, over_ssh, run, tool
from bench.visits import processor_time
from espalier.insight.recording import read_recording
from espalier.load.site import Site
from espalier.load.visitors import Load

ADDRESS = "198.18.8.11"
PAGES, ROUNDS = 1_000, 10
MARK = "/run/espalier-insight/on"
PROJECT = {"directory": str(ROOT / "examples/orchard"), "settings": "orchard.settings"}


def switch(on: bool) -> None:
    """Switch Django's timing on or off, and wait until every process has noticed."""
    make = f"mkdir -p {Path(MARK).parent} && touch {MARK}"
    over_ssh(ADDRESS, make if on else f"rm -f {MARK}")
    time.sleep(2)


def cost(site: Site) -> float:
    """What one front page costs, in milliseconds of processor time."""
    began = processor_time(ADDRESS)
    with Load(site, visitors=2, requests=PAGES, paths=["/"], pause=0) as load:
        load.wait(threading.Event())
    load.verify()
    return (processor_time(ADDRESS) - began) / len(load.answers) * 1000


def compare(site: Site, rounds: int) -> None:
    """Ask for pages with timing off and on in turn, and print the ratio."""
    costs: dict[bool, list[float]] = {False: [], True: []}
    for number in range(rounds):
        for on in (True, False) if number % 2 else (False, True):
            switch(on)
            costs[on].append(cost(site))
    switch(False)
    off, on = (statistics.median(costs[which]) for which in (False, True))
    ratios = sorted(b / a for a, b in zip(costs[False], costs[True], strict=True))
    print(
        f"a front page: timing off {off:.2f} ms, on {on:.2f} ms; ratio of the medians "
        f"{on / off:.3f}, round by round {ratios[0]:.3f} to {ratios[-1]:.3f}",
        flush=True,
    )


def recorder(site: Site) -> None:
    """Record under traffic, and print what that took."""
    with Load(site, visitors=2, seconds=150, paths=["/", "/trees/1/"], pause=0.1):
        said = run(
            *(tool("espalier"), "measure", "-i", str(BENCH / "inventories/kit")),
            *("--for", "2m", "--json", "--extra-vars", json.dumps({"project": PROJECT})),
        )
    recording = read_recording(Path(json.loads(said.splitlines()[-1])["file"]))
    (machine,) = recording.machines.values()
    print(
        f"espalier measure, {len(machine.requests)} requests in {recording.seconds:.0f} s: "
        f"{machine.cost['cpu']:.2%} of a core, {machine.cost['memory_mb']:.1f} MiB",
        flush=True,
    )


def main() -> None:
    """Make the machine, and measure on it."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    lab("up", "kit")
    try:
        converge("kit", PROJECT, ROOT)
        site = Site(ADDRESS, ADDRESS)
        compare(site, rounds)
        recorder(site)
    finally:
        lab("down", "kit")


if __name__ == "__main__":
    main()
