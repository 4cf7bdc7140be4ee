"""What the programs here share: the project, the kit's commands, steps beside visitors."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from espalier.environment import plain_environment
from espalier.load.site import read_site
from espalier.load.visitors import MAX_REQUESTS, MAX_SECONDS, Load

ROOT = Path(__file__).resolve().parents[2]
PROJECT = ROOT / ".lab/small/mysite"
VISITORS, PAUSE = 3, 0.1  # seconds between a visitor's requests


def espalier(inventory: Path, command: str, *arguments: str) -> tuple[int, str]:
    """Run a command of the kit, with low priority: it would run on another machine."""
    program = str(Path(sys.executable).with_name("espalier"))
    done = subprocess.run(
        ["nice", program, command, "-i", str(inventory), *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=None if "--json" in arguments else subprocess.STDOUT,
        text=True,
        env=plain_environment(),
    )
    return done.returncode, done.stdout


def live(inventory: Path) -> tuple[str, bool]:
    """The identity of what is live, and whether it is healthy."""
    state = json.loads(espalier(inventory, "status", "--json")[1])["vps1"]["live"]
    return state["identity"], state["healthy"]


def run(inventory: Path, steps: Iterable[tuple[str, Callable[[], str]]]) -> int:
    """Go through steps while visitors come; gives the exit status, 0 if all is well.

    A step gives what is wrong, if something is. That a request fails is wrong in each.
    """
    status = 0
    with Load(
        read_site(inventory), VISITORS, None, MAX_SECONDS, MAX_REQUESTS, PAUSE, paths=["/"]
    ) as load:
        for what, step in steps:
            mark, began = load.mark(), time.monotonic()
            wrong = step()
            report = load.report(mark)
            wrong = wrong or (f"{report['failed']} requests failed" if report["failed"] else "")
            wrong = wrong or ("" if report["sent"] else "no request was sent")
            print(
                f"small: {what}: {time.monotonic() - began:.0f} s, sent {report['sent']}, "
                f"failed {report['failed']}, slowest {report['slowest']:.2f} s"
                f"{f'; WRONG: {wrong}' if wrong else ''}",
                flush=True,
            )
            for failure in report["failures"]:
                print(f"  after {failure['after']} s: {failure['what']}")
            status |= bool(wrong)
    return status
