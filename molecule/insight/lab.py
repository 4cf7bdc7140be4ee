"""The lab of the scenario: its machines, its site, and the commands of a user who measures it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from typing import Any

from bench.trials.asking import answer, sent
from bench.trials.edits import apply_edits
from bench.trials.environment import hosts_text, write_environment
from bench.trials.nursery import NAME, make_nursery
from tests.steps import Lab, demand

LAB = Lab("insight")
NETWORK = "198.18.108"
ADDRESSES = {name: f"{NETWORK}.{11 + place}" for place, name in enumerate(("vps1", "app2", "db2"))}
CORES = 2
ROWS = 60_000
PROJECT = LAB.home / NAME


def on(machine: str, script: str) -> str:
    """Run a script as root on a machine, by its name."""
    return LAB.on(ADDRESSES[machine], script)


def describe(host_vars: Mapping[str, Mapping[str, Any]] | None = None) -> None:
    """Write the environment with everything on vps1, and two machines to spare."""
    machines = {
        name: {
            "ansible_host": address,
            "private_address": address,
            "memory_mb": 1024,
            "cores": CORES,
        }
        for name, address in ADDRESSES.items()
    }
    # The lab is named, as a load is refused where it could be production.
    lab = {"lab": {"name": LAB.name, "network": f"{NETWORK}.0/24"}, "insight": True}
    hosts = hosts_text([], machines, {duty: ["vps1"] for duty in ("web", "app", "db")}, lab)
    project = {"name": NAME, "directory": f".lab/{LAB.name}/{NAME}", "domains": ["nursery.example"]}
    write_environment(LAB.site_directory, hosts, project, host_vars or {})


def prepare() -> None:
    """Begin with an environment of its own, and a site with rows."""
    shutil.rmtree(LAB.home, ignore_errors=True)
    LAB.home.mkdir(parents=True)
    make_nursery(PROJECT)
    LAB.site_directory.mkdir()
    describe()
    LAB.site()
    LAB.espalier("manage", "--", "grow", "--rows", str(ROWS))


def start(host_vars: Mapping[str, Mapping[str, Any]] | None = None) -> None:
    """Have the site be as it was at the beginning, and as `host_vars` say."""
    describe(host_vars)
    LAB.site()


def load(requests: Sequence[Mapping[str, Any]], *how: str) -> dict[str, Any]:
    """Send a load; gives what it found."""
    profile = LAB.home / "profile.yml"
    profile.write_text(json.dumps({"name": "insight", "requests": list(requests)}))
    return sent(LAB, profile, how)


def advise() -> dict[str, Any]:
    """What limits the site, of the newest recording."""
    return answer(LAB.espalier("advise", "--json", with_errors=False))


def type_edits(change: Mapping[str, Any]) -> None:
    """Write what an advice says into the environment, as it is printed."""
    demand(change["edits"], f"nothing to be written: {change['sentence']}")
    files = apply_edits(change["edits"], LAB.site_directory)
    LAB.say(f"wrote {', '.join(files)}: {change['sentence']}")


def prove() -> dict[str, Any]:
    """What the change gained."""
    return answer(LAB.espalier("prove", "--json", with_errors=False))
