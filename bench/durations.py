#!/usr/bin/env python3
"""Measure how long a release takes: from the command typed to the end of the command.

    bench/durations.py                 everything; prints seconds and ratios
    bench/durations.py one             on one machine: pyinfra, site.yml, the usual way; rollback
    bench/durations.py serving         by pyinfra, on one: from the command to the first new page
    bench/durations.py many            pyinfra on one, two, four and eight app machines

Each release changes one line of the example project, with unchanged requirements unless it says
otherwise. Ways alternate, and medians are compared.
"""

from __future__ import annotations

import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bench.run import ROOT, converge, front_page, lab, run, tool
from bench.tiers import ADDRESSES, Site, duties

EXAMPLE = ROOT / "examples" / "orchard"
PAGE = "garden/templates/garden/base.html"
ROUNDS = 5
ALONE = {"web": ["web1"], "app": ["web1"], "db": ["web1"]}


class Project:
    """A copy of the example project, changed before each release."""

    def __init__(self, folder: Path) -> None:
        """Copy it to `folder`."""
        self.folder, self.number = folder, 0
        self.declaration = {"directory": str(folder), "name": "orchard"}
        ignored = shutil.ignore_patterns("__pycache__", "*.sqlite3")
        shutil.copytree(EXAMPLE, folder, ignore=ignored)

    def change(self) -> None:
        """Change one line of every page."""
        self.number += 1
        text = (EXAMPLE / PAGE).read_text()
        (self.folder / PAGE).write_text(f"{text}<!-- {self.number} -->\n")

    def depend(self) -> None:
        """Change a requirement, and one line of every page."""
        self.change()
        text = (EXAMPLE / "requirements.txt").read_text()
        (self.folder / "requirements.txt").write_text(f"{text}\nidna==3.{self.number % 10 + 1}\n")


def seconds(work: Callable[[], object]) -> float:
    """Do something; gives how long it took."""
    began = time.monotonic()
    work()
    return time.monotonic() - began


def espalier(site: Site, command: str) -> None:
    """Run a command of `espalier`, as `make` does."""
    run(str(Path(sys.executable).with_name("espalier")), command, "-i", str(site.folder))


def say(what: str, times: list[float], against: float = 0.0) -> float:
    """Print a median, and its ratio to another one; gives the median."""
    median = statistics.median(times)
    ratio = f"  ratio {median / against:.2f}" if against else ""
    print(f"{what:<46} {median:6.1f} s{ratio}", flush=True)
    return median


def measure_one(site: Site, project: Project) -> None:
    """One app machine with everything on it, against the usual way on another machine."""
    site.converge([], ALONE, project.declaration)
    usual = {"settings": "orchard.settings", "application": "orchard.wsgi:application"}
    usual["directory"] = str(project.folder)
    with tempfile.TemporaryDirectory() as packed:
        lab("up", "usual")
        try:
            converge("usual", usual, Path(packed))
            ways: dict[str, Callable[[], object]] = {
                "usual way": lambda: converge("usual", usual, Path(packed)),
                "site.yml": site.again,
                "pyinfra": lambda: espalier(site, "release"),
            }
            took: dict[str, list[float]] = {way: [] for way in ways}
            changed: dict[str, list[float]] = {"usual way": [], "pyinfra": []}
            back = []
            for _ in range(ROUNDS):
                for way, work in ways.items():
                    project.change()
                    took[way].append(seconds(work))
                back.append(seconds(lambda: espalier(site, "rollback")))
            for _ in range(3):
                for way in changed:
                    project.depend()
                    changed[way].append(seconds(ways[way]))
        finally:
            lab("down", "usual")
    reference = say("usual way, one line", took["usual way"])
    say("site.yml, one line", took["site.yml"], reference)
    say("pyinfra, one line", took["pyinfra"], reference)
    say("pyinfra, rollback", back, reference)
    reference = say("usual way, a requirement", changed["usual way"])
    say("pyinfra, a requirement", changed["pyinfra"], reference)


def measure_serving(site: Site, project: Project) -> None:
    """From the command typed to the first page of the new release, and of a rollback's."""
    site.converge([], ALONE, project.declaration)

    def until_served(command: str, number: int) -> float:
        began = time.monotonic()
        with ThreadPoolExecutor() as pool:
            done = pool.submit(espalier, site, command)
            while f"<!-- {number} -->".encode() not in front_page(ADDRESSES["web1"]):
                time.sleep(0.05)
            took = time.monotonic() - began
            done.result()
        return took

    new, back = [], []
    for _ in range(ROUNDS):
        project.change()
        espalier(site, "release")
        before = project.number
        project.change()
        new.append(until_served("release", project.number))
        back.append(until_served("rollback", before))
    say("release, until it is served", new)
    say("rollback, until it is served", back)


def measure_many(site: Site, project: Project) -> None:
    """Several app machines; all of them share this machine's cores."""
    reference = 0.0
    for count in (1, 2, 4, 8):
        tiers = ["app_servers"] if count > 1 else []
        site.converge(tiers, duties(count, 1), project.declaration)
        times = []
        for _ in range(3):
            project.change()
            times.append(seconds(lambda: espalier(site, "release")))
        median = say(f"pyinfra, {count} app machines", times, reference)
        reference = reference or median


def main() -> None:
    """Run the measurements named on the command line, or all."""
    known = {"one": measure_one, "serving": measure_serving, "many": measure_many}
    wanted = sys.argv[1:] or list(known)
    if unknown := set(wanted) - known.keys():
        sys.exit(f"unknown: {', '.join(unknown)}; there are {', '.join(known)}")
    if not Path(tool("pyinfra")).exists():
        sys.exit("pyinfra is not installed: `make up` makes the virtual environment")
    for name in wanted:
        print(f"== {name}", flush=True)
        with tempfile.TemporaryDirectory() as folder:
            site = Site(Path(folder) / "inventory")
            site.folder.mkdir()
            try:
                known[name](site, Project(Path(folder) / "project"))
            finally:
                site.down()


if __name__ == "__main__":
    main()
