#!/usr/bin/env python3
"""Measure this version of the kit against the one before, pair by pair, on two lab machines.

    bench/before.py [PAIRS]

tests/version-before names the other one. Both deploy a copy of the example project. Printed are the
seconds of each pair and, of each thing, the medians and the median of the ratios: the first page
(site.yml on a new machine), site.yml with nothing to change, a release with an unchanged lock.
"""

from __future__ import annotations

import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from espalier.environment import plain_environment
from espalier.lab.other_version import programs, version_before
from espalier.paths import KIT

PAIRS = 5
PAGE = "garden/templates/garden/base.html"
SIDES = {"before": "198.18.120", "now": "198.18.121"}


class Side:
    """One version of the kit, with a machine and a copy of the project of its own."""

    def __init__(self, name: str, tree: Path, directory: Path, folder: Path) -> None:
        """Write its inventory and its project below a folder."""
        self.name, self.tree, self.programs = name, tree, directory
        self.inventory, self.project = folder / name / "inventory", folder / name / "orchard"
        shutil.copytree(KIT / "molecule/default/inventory", self.inventory)
        ignored = shutil.ignore_patterns("__pycache__", "*.sqlite3")
        shutil.copytree(KIT / "examples/orchard", self.project, ignore=ignored)
        hosts = self.inventory / "hosts.yml"
        text = hosts.read_text().replace("name: default,", f"name: bench-{name},")
        hosts.write_text(text.replace("198.18.1.", f"{SIDES[name]}."))
        project_file = self.inventory / "group_vars/all/project.yml"
        text = project_file.read_text().replace("examples/orchard", str(self.project))
        project_file.write_text(text)

    def run(self, *command: str) -> None:
        """Run a command of this version; ends the benchmark if it fails."""
        done = subprocess.run(
            [self.programs / command[0], *command[1:], "-i", str(self.inventory)],
            cwd=self.tree,
            capture_output=True,
            text=True,
            env=plain_environment(ANSIBLE_CONFIG=str(self.tree / "ansible.cfg")),
        )
        if done.returncode:
            sys.exit(f"{self.name}: {command}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")

    def lab(self, command: str) -> None:
        """Make or remove its machine, by today's lab."""
        argv = [sys.executable, "-m", "espalier.lab", command, "-i", str(self.inventory)]
        subprocess.run(argv, check=True, capture_output=True)

    def converge(self) -> None:
        """Run site.yml."""
        self.run("ansible-playbook", "site.yml")

    def change(self) -> None:
        """Change one line of every page."""
        with open(self.project / PAGE, "a") as page:
            page.write(f"<!-- {time.monotonic()} -->\n")

    def release(self) -> None:
        """Ship what was changed."""
        old = (self.tree / "deploys/__main__.py").exists()
        self.run(*(["python", "-m", "deploys"] if old else ["espalier"]), "release")


def both(folder: Path) -> list[Side]:
    """Return the version before and this one, in this order; they write below a folder."""
    tree, own = version_before(), Path(sys.executable).parent
    return [Side("before", tree, programs(tree), folder), Side("now", KIT, own, folder)]


def renew(side: Side) -> None:
    """Give a side a new machine."""
    side.lab("down")
    side.lab("up")


def compare(
    what: str, pairs: int, sides: list[Side], prepare: Callable[[Side], None], work: str
) -> None:
    """Do something on both sides in turn, and print how long it took."""
    times: dict[str, list[float]] = {side.name: [] for side in sides}
    for _ in range(pairs):
        for side in sides:
            prepare(side)
        for side in sides:
            began = time.monotonic()
            getattr(side, work)()
            times[side.name].append(time.monotonic() - began)
        print(f"{what}: " + "  ".join(f"{n} {t[-1]:.1f} s" for n, t in times.items()), flush=True)
    ratios = [now / before for before, now in zip(times["before"], times["now"], strict=True)]
    medians = {name: statistics.median(found) for name, found in times.items()}
    print(
        f"{what}: median before {medians['before']:.1f} s, now {medians['now']:.1f} s; "
        f"ratio of the medians {medians['now'] / medians['before']:.2f}, "
        f"median of the ratios {statistics.median(ratios):.2f}"
    )


def main() -> None:
    """Measure all three."""
    pairs = int(sys.argv[1]) if len(sys.argv) > 1 else PAIRS
    with tempfile.TemporaryDirectory() as folder:
        sides = both(Path(folder))
        try:
            compare("first page", pairs, sides, renew, "converge")
            compare("nothing to change", pairs, sides, lambda side: None, "converge")
            compare("release", pairs, sides, Side.change, "release")
        finally:
            for side in sides:
                side.lab("down")


if __name__ == "__main__":
    main()
