#!/usr/bin/env python3
"""Release under traffic: good releases, broken ones, and machines that go away.

    under_traffic.py -i molecule/release/inventory                      every step
    under_traffic.py -i molecule/release/inventory --short              a few of them, as CI does
    under_traffic.py -i molecule/release/inventory --requests 100000    until so many were sent

The lab that the inventory describes must be up. Every step is what a person types (`espalier
release`, `ansible-playbook site.yml`, pyinfra's own command) or what happens to them. Throughout,
visitors read and write over kept connections; each row that the site acknowledged must be stored
once, and seen by its writer. At the end the same load sees a release the way it should not be done,
stop and start, and must notice it.

Exit status 1, unless every step ended as it should and nothing was failed, lost, doubled or stale.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import TextIO

from site_under_traffic import HOME, Site, StepError
from steps import RELEASES, SHORT, Step, every_step, release, stop_and_start

from espalier.load.report import is_clean, sentence
from espalier.load.visitors import MAX_REQUESTS, MAX_SECONDS, Load

VISITORS = 6
PAUSE = 0.1  # seconds between a visitor's requests: traffic, not a benchmark, on two cores


def say(summary: TextIO, line: str) -> None:
    """Print a line at once, and keep it for those who come later."""
    print(f"release: {line}", flush=True)
    summary.write(line + "\n")


def take(site: Site, load: Load, summary: TextIO, name: str, step: Step) -> bool:
    """Take a step, and report what visitors noticed of it; True if it ended as it should."""
    mark, began = load.mark(), time.monotonic()
    try:
        step(site)
        wrong = ""
    except StepError as error:
        wrong = str(error)
    report = load.report(mark)
    rows = report["rows"]
    say(
        summary,
        f"{name:<18} {time.monotonic() - began:6.1f} s  sent {report['sent']:>6}  "
        f"failed {report['failed']}  slowest {report['slowest']:.2f} s  "
        f"rows {rows['acknowledged']:>5}  lost {rows['lost']}  doubled {rows['doubled']}  "
        f"stale {report['stale']}",
    )
    for failure in report["failures"]:
        say(summary, f"  after {failure['after']} s: {failure['what']}")
    if wrong:
        say(summary, f"  WRONG: {wrong}")
    return not wrong and is_clean(report)


def notices_an_interruption(site: Site, summary: TextIO) -> bool:
    """Stop and start Django under the same load, which must see it, or it sees nothing."""
    with Load(site.target, VISITORS, HOME / "control.jsonl", 60, 10_000, PAUSE) as load:
        time.sleep(3)
        stop_and_start(site)
        time.sleep(3)
    report = load.report()
    say(summary, f"stop and start, for comparison: {sentence(report)}")
    if not report["failed"]:
        say(summary, "WRONG: visitors did not notice that; so they would not notice anything")
    return bool(report["failed"])


def main() -> int:
    """Run the command line; gives the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("-i", "--inventory", type=Path, required=True)
    parser.add_argument("--requests", type=int, default=0, help="go on until so many were sent")
    parser.add_argument("--short", action="store_true", help="a few steps, as CI does")
    parser.add_argument("--only", default="", help="names of steps, separated by commas")
    arguments = parser.parse_args()
    steps = list(every_step(arguments.requests))
    if arguments.short:
        steps = [step for step in steps if step[0] in SHORT]
    if arguments.only:
        wanted = tuple(arguments.only.split(","))
        steps = [step for step in steps if step[0].startswith(wanted)]
    site = Site(arguments.inventory)
    site.change()
    site.converge()
    good = True
    ledger = HOME / "ledger.jsonl"
    with (HOME / "summary.txt").open("w", buffering=1) as summary:
        with Load(site.target, VISITORS, ledger, MAX_SECONDS, MAX_REQUESTS, PAUSE) as load:
            for name, step in steps:
                good &= take(site, load, summary, name, step)
            number = RELEASES
            while load.sent < arguments.requests and good:
                number += 1
                good &= take(site, load, summary, f"release {number}", release)
        total = load.report()
        say(summary, f"total: {sentence(total)}")
        good &= is_clean(total)
        good &= notices_an_interruption(site, summary)
        say(summary, "every step ended as it should, and nobody noticed" if good else "FAILED")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
