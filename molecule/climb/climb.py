#!/usr/bin/env python3
"""Climb the ladder of tiers under traffic, step by step, and down again; count what visitors lost.

    climb.py -i molecule/climb/inventory                     the whole ladder
    climb.py -i molecule/climb/inventory --tiers redis       up one step, a new authority, down

The lab that the inventory describes must be up. A step is what a user does: the line `tiers: […]`
is edited (in a copy of the inventory, `.lab/climb/<lab>/`), and the same `ansible-playbook
site.yml` is run; with all tiers on, the authority by which machines know each other is replaced as
well. Throughout, visitors read and write; a row that the site acknowledged must be
stored, and seen by its writer. After each step the tests of its tier run, apart from those that
break something (each tier has a scenario for them), and those of every machine.

Exit status 1, unless every step worked and nothing was failed, lost, doubled or stale.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from espalier.environment import plain_environment
from espalier.inventory.listing import ListingError, read_machines
from espalier.inventory.services import TIERS_AVAILABLE
from espalier.load.ladder import ClimbError, Step, steps_of, with_tiers
from espalier.load.report import is_clean, sentence
from espalier.load.site import LoadError, site_of
from espalier.load.visitors import MAX_REQUESTS, MAX_SECONDS, Load

ROOT = Path(__file__).resolve().parents[2]
VISITORS = 6
PAUSE = 0.2  # seconds between a visitor's requests: traffic, not a benchmark, on two cores
TREES, HARVESTS = 200, 5000
COLUMNS = {
    "seconds": "seconds",
    "sent": "sent",
    "failed": "failed",
    "repeated": "repeated",
    "slowest": "slowest",
    "rows": "acknowledged",
    "lost": "lost",
    "doubled": "doubled",
    "stale": "stale",
}


class Climb:
    """A copy of an inventory, and what is done with it."""

    def __init__(self, inventory: Path) -> None:
        """Copy the inventory; secrets that an earlier climb left there stay.

        Raises ClimbError where it is not a lab's.
        """
        machines = read_machines(inventory)
        lab = next(iter(machines.values()), {}).get("lab")
        if not lab:
            raise ClimbError(f"{inventory} is no lab, and a climb is for throw-away machines.")
        self.home = ROOT / ".lab" / "climb" / lab["name"]
        self.inventory = self.home / "inventory"
        shutil.copytree(inventory, self.inventory, dirs_exist_ok=True)
        self.site = site_of(machines)
        self._logs = 0
        self._summary = (self.home / "summary.txt").open("w", buffering=1)

    def say(self, line: str) -> None:
        """Print a line, at once, as a climb takes long; and keep it for those who come later."""
        print(f"climb: {line}", flush=True)
        self._summary.write(line + "\n")

    def say_step(self, step: Step) -> None:
        """Say a step's figures, what failed in it, and what is wrong with it."""
        figures = step.report["rows"] | step.report  # both have `sent`: the requests are meant
        values = "".join(f"{figures[figure]!s:>9}" for figure in COLUMNS.values())
        self.say(f"{step.name:<14}{values}  {' '.join(step.report['machines'])}")
        for failure in step.report["failures"]:
            self.say(f"  after {failure['after']} s: {failure['what']}")
        for wrong in step.wrong:
            self.say(f"  WRONG: {wrong}")

    def run(self, *command: str) -> str:
        """Run a command of the kit, into a log; gives its output, ClimbError if it fails."""
        self._logs += 1
        log = self.home / f"{self._logs:02}-{Path(command[0]).name}.log"
        program = str(Path(sys.executable).with_name(command[0]))
        with log.open("w") as file:
            done = subprocess.run(
                [program, *command[1:]],
                stdout=file,
                stderr=subprocess.STDOUT,
                cwd=ROOT,
                env=plain_environment(),
            )
        output = log.read_text()
        if done.returncode:
            raise ClimbError(f"{' '.join(command)} failed ({log}):\n{output[-3000:].strip()}")
        return output

    def converge(self, tiers: Sequence[str]) -> str:
        """Write `tiers` where a user would, and run the playbook; gives its recap."""
        hosts = self.inventory / "hosts.yml"
        hosts.write_text(with_tiers(hosts.read_text(), tiers))
        output = self.run("ansible-playbook", "site.yml", "-i", str(self.inventory))
        return output.partition("PLAY RECAP")[2]

    def plant(self) -> None:
        """Give the example project rows of some weight."""
        live = "/srv/orchard/current"
        command = [
            *("systemd-run", "--pipe", "--wait", "--quiet", "--property=User=orchard"),
            "--property=EnvironmentFile=/etc/espalier/orchard/environment",
            *(f"--property=EnvironmentFile={live}/release.env", f"--working-directory={live}/code"),
            *(f"{live}/venv/bin/python", "manage.py", "plant"),
            *("--trees", str(TREES), "--harvests", str(HARVESTS)),
        ]
        self.run("ansible", "django[0]", "-i", str(self.inventory), "-a", " ".join(command))

    def test(self, *arguments: str) -> None:
        """Run tests of the site as it is now; ClimbError if one fails or there is none."""
        self.run("pytest", f"--ansible-inventory={self.inventory}", "-m", "not breaks", *arguments)

    def take(self, step: Step, load: Load) -> None:
        """Do one step and look at it; what is wrong with it is noted in the step."""
        mark = load.mark()
        try:
            if step.secret:
                rotate = ["secrets", "rotate", step.secret, "-i", str(self.inventory)]
                self.run("espalier", *rotate)
            else:
                self.converge(step.tiers)
            self.verify(step)
        finally:
            step.report = load.report(mark)
        if not is_clean(step.report):
            step.wrong.append("visitors noticed: see the figures above")

    def verify(self, step: Step) -> None:
        """Test what a step has built; a failure is noted only, as the site stands and goes on."""
        try:
            if step.tier:
                self.test(f"tests/infra/test_{step.tier}.py")
            self.test("tests/infra/test_machines.py")
            if step.unchanged:
                recap = self.converge(step.tiers)
                if set(re.findall(r"changed=(\d+)", recap)) != {"0"}:
                    raise ClimbError(f"a second run changed something:\n{recap.strip()}")
        except ClimbError as error:
            step.wrong.append(str(error))


def climb(climber: Climb, ladder: Sequence[str]) -> bool:
    """Climb and come down; gives whether everything worked."""
    steps = steps_of(ladder)
    climber.converge([])
    climber.plant()
    climber.say(f"{'':<14}" + "".join(f"{title:>9}" for title in COLUMNS) + "  answered by")
    ledger = climber.home / "ledger.jsonl"
    with Load(climber.site, VISITORS, ledger, MAX_SECONDS, MAX_REQUESTS, PAUSE) as load:
        for step in steps:
            try:
                climber.take(step, load)
            except ClimbError as error:
                step.wrong.append(str(error))
                break
            finally:
                climber.say_step(step)
    total = load.report()
    climber.say(f"total: {sentence(total)}")
    worked = is_clean(total) and not any(step.wrong for step in steps)
    climber.say("every step worked, and nobody noticed" if worked else "FAILED")
    return worked


def main() -> int:
    """Run the command line; gives the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("-i", "--inventory", type=Path, required=True)
    parser.add_argument(
        "--tiers", default=",".join(TIERS_AVAILABLE), help="which steps, in which order"
    )
    arguments = parser.parse_args()
    try:
        climber = Climb(arguments.inventory)
        worked = climb(climber, [tier for tier in arguments.tiers.split(",") if tier])
    except (ClimbError, ListingError, LoadError) as error:
        print(f"climb: {error}", file=sys.stderr)
        return 1
    return 0 if worked else 1


if __name__ == "__main__":
    sys.exit(main())
