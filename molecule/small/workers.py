#!/usr/bin/env python3
"""Releases whose workers hold so much that two of them hardly fit side by side, on 1 GiB.

    workers.py -i molecule/small/inventory

The site must be up. A first release makes its workers hold more memory, so much that all but one of
a second release's fit beside them: that one starts with fewer, and has all of them once the old one
has ended. Workers that hold still more leave room for none: the next release is refused with
figures before it is built. No request fails.

Exit status 1, unless every step ended so and nothing failed.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from functools import partial
from pathlib import Path

from steps import PROJECT, espalier, live, run

from espalier.lab.process import podman
from espalier.wiring.programs import program

WSGI = PROJECT / "mysite/wsgi.py"
VPS = "espalier-small-vps1"
# Run on the machine, with the program that the kit has there: what a release would reckon with.
LOOK = """
import json, sys
sys.path.insert(0, sys.argv[1])
from espalier_machine.release import footprint, memory, units
pid = units.main_pid(sys.argv[2])
found, free = footprint.measure(pid), memory.read()
count = len(footprint.children(pid))
print(json.dumps([found.main, found.worker, count, free.total, free.available]))
"""


@dataclasses.dataclass(frozen=True)
class Seen:
    """Bytes that the live release's main process and one worker hold, its workers, and memory."""

    main: int
    worker: int
    count: int
    total: int
    available: int

    def more_for(self, fitting: float) -> int:
        """Bytes more in each worker that leave room for so many beside the live release."""
        room = self.available - max(32 << 20, self.total // 20) - self.main
        return int((room - fitting * self.worker) / (self.count + fitting))


def look(inventory: Path) -> Seen:
    """Measure the live release as the next one would."""
    slot = json.loads(espalier(inventory, "status", "--json")[1])["vps1"]["live"]["slot"]
    arguments = [program("release").path, f"mysite-web@{slot}.service"]
    return Seen(*json.loads(podman("exec", VPS, "python3", "-c", LOOK, *arguments)))


def release(inventory: Path, holds: int, end: str = "") -> tuple[int, str]:
    """Release the project with workers that hold so many bytes more; gives status and output.

    `end`: makes it another release of the same code.
    """
    own = "".join(line for line in WSGI.open() if not line.startswith("HELD"))
    WSGI.write_text(f"{own.rstrip()}\nHELD = b'x' * {holds}\n{end}")
    status, said = espalier(inventory, "release")
    print(said, end="")
    return status, said


def begins_small(inventory: Path) -> str:
    """Begin with fewer workers, and get them all; gives what is wrong, if something is."""
    seen = look(inventory)
    holds = seen.more_for(seen.count - 0.5)
    if release(inventory, holds)[0]:
        return "workers that hold more could not be released"
    status, said = release(inventory, holds, "\n")
    if status or f"with {seen.count - 1} of {seen.count} workers until" not in said:
        return f"the release ended with {status}, or began with all its workers"
    now = look(inventory).count
    return "" if now == seen.count else f"{now} workers of {seen.count} run"


def is_refused(inventory: Path) -> str:
    """Be refused beside workers that leave no room; gives what is wrong, if something is."""
    held = int(WSGI.read_text().rsplit("* ", 1)[1])
    holds = held + look(inventory).more_for(0.5)
    if release(inventory, holds)[0]:
        return "workers that hold still more could not be released"
    before = live(inventory)
    status, said = release(inventory, holds, "\n")
    if not status or "a second release does not fit beside the live one" not in said:
        return f"the release ended with {status}, and was not refused for memory"
    return "" if live(inventory) == before else "another release is live, or it is not healthy"


def main() -> int:
    """Run the command line; gives the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("-i", "--inventory", type=Path, required=True)
    inventory = parser.parse_args().inventory
    return run(
        inventory,
        (
            ("a release begins with fewer workers", partial(begins_small, inventory)),
            ("a release for which there is no room", partial(is_refused, inventory)),
        ),
    )


if __name__ == "__main__":
    sys.exit(main())
