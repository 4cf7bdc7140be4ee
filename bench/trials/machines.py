"""The machines of the trials, and the site on them in the shape that was asked for last."""

from __future__ import annotations

import json
import shlex
import shutil
import ssl
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bench.run import run, wagtail
from bench.trials.environment import hosts_text, write_environment
from bench.trials.limits import postgresql_unit, web_units
from bench.trials.nursery import make_nursery
from tests.steps import Lab, demand, soon

NETWORK = "198.18.109"
NAMES = ("vps1", "db1", "app2", "db2")
ADDRESSES = {name: f"{NETWORK}.{11 + place}" for place, name in enumerate(NAMES)}
CORES, MEMORY_MB = 2, 1024


@dataclass(frozen=True)
class Topology:
    """Tiers, and which machines have which duties; the others are spare."""

    tiers: Sequence[str]
    database: str = "vps1"

    @property
    def duties(self) -> dict[str, list[str]]:
        """As hosts.yml has them."""
        return {"web": ["vps1"], "app": ["vps1"], "db": [self.database]}


TOPOLOGIES = {
    "one": Topology([]),
    "split": Topology([], "db1"),
    "pgbouncer": Topology(["pgbouncer"], "db1"),
    "redis": Topology(["redis"]),
}
PROJECTS: Mapping[str, Mapping[str, Any]] = {
    "nursery": {"name": "nursery", "directory": ".lab/trials/nursery"},
    "orchard": {"name": "orchard", "directory": "examples/orchard"},
    # As the scenario `queue` has it; it needs the redis of a queue.
    "apiary": {
        "name": "apiary",
        "directory": "examples/apiary",
        "environment": {"REDIS_URL": "$ESPALIER_QUEUE_URL"},
        "processes": {
            "worker": {"command": "celery -A apiary worker --concurrency 1 --loglevel info"},
            "beat": {"command": "celery -A apiary beat -s $STATE_DIRECTORY/beat", "single": True},
        },
    },
    "wagtail": {
        "name": "mysite",
        "directory": ".lab/mysite",
        "settings": "mysite.settings.production",
    },
}


@dataclass(frozen=True)
class Shape:
    """What a trial needs before its limit is put on; trials of one shape share a run of the site.

    Attributes:
        inputs: of roles: machine -> name -> value.
        environment: of the project's processes.
        rows: of the nursery, and bytes of text in each.
    """

    project: str
    topology: str
    inputs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    rows: tuple[int, int] = (20_000, 96)

    @property
    def key(self) -> str:
        """Tells one shape from another."""
        values = [self.topology, self.inputs, self.environment, self.rows]
        return f"{self.project} {json.dumps(values, sort_keys=True, default=dict)}"


class Machines:
    """Lab machines, and the site on them."""

    def __init__(self) -> None:
        """Nothing is made yet."""
        self.lab = Lab("trials")
        self.shape: Shape | None = None

    @property
    def home(self) -> Path:
        """Where files of a run are."""
        return self.lab.home

    @property
    def database(self) -> str:
        """The machine of the primary."""
        return TOPOLOGIES[self._shape.topology].database

    @property
    def name(self) -> str:
        """The site's name, which is its database's, too."""
        return str(PROJECTS[self._shape.project]["name"])

    @property
    def _shape(self) -> Shape:
        assert self.shape, "converge first"
        return self.shape

    def up(self) -> None:
        """Make the machines that are not there."""
        self.home.mkdir(parents=True, exist_ok=True)
        folder = self.home / "machines"
        folder.mkdir(exist_ok=True)
        # Of another name than a site's: nothing is computed from it.
        (folder / "machines.yml").write_text(hosts_text([], self._all(), {}, self._variables()))
        run(sys.executable, "-m", "espalier.lab", "up", "-i", str(folder))

    def down(self) -> None:
        """Remove them."""
        folder = self.home / "machines"
        if (folder / "machines.yml").exists():
            run(sys.executable, "-m", "espalier.lab", "down", "-i", str(folder))

    def _all(self) -> dict[str, dict[str, Any]]:
        size = {"memory_mb": MEMORY_MB, "cores": CORES}
        return {
            name: {"ansible_host": at, "private_address": at, **size}
            for name, at in ADDRESSES.items()
        }

    def _variables(self) -> dict[str, Any]:
        lab = {"name": self.lab.name, "network": f"{NETWORK}.0/24"}
        return {"lab": lab, "insight": True}

    def converge(self, shape: Shape) -> None:
        """Have the site be of a shape; nothing is done where it is.

        Machines begin anew for another project.
        """
        if self.shape and self.shape.key == shape.key:
            return
        if self.shape and replace(self.shape, rows=shape.rows).key == shape.key:
            self._fill(shape)
            self.shape = shape
            return
        if self.shape is None or self.shape.project != shape.project:
            self.down()
            shutil.rmtree(self.lab.site_directory, ignore_errors=True)
            self.up()
            if shape.project == "nursery":
                make_nursery(self.home / "nursery")
            if shape.project == "wagtail":
                wagtail()
        topology = TOPOLOGIES[shape.topology]
        moved = self.shape and TOPOLOGIES[self.shape.topology].database != topology.database
        if moved and self.shape and self.shape.project == shape.project:
            # Data does not move by itself: the machines begin anew.
            self.shape = None
            return self.converge(shape)
        project = dict(PROJECTS[shape.project])
        if shape.environment:
            project["environment"] = {**project.get("environment", {}), **shape.environment}
        hosts = hosts_text(topology.tiers, self._all(), topology.duties, self._variables())
        self.lab.site_directory.mkdir(parents=True, exist_ok=True)
        write_environment(self.lab.site_directory, hosts, project, shape.inputs)
        self.shape = None  # until it has gone well
        self.lab.site()
        self.shape = shape
        self._fill(shape)

    def _fill(self, shape: Shape) -> None:
        rows, size = shape.rows
        if shape.project == "nursery":
            self.manage("grow", "--rows", str(rows), "--bytes", str(size))
        if shape.project == "orchard" and self.sql("SELECT count(*) FROM garden_harvest") < "5":
            self.manage("plant", "--trees", "200", "--harvests", "4000")

    def forget_shape(self) -> None:
        """Have the next trial begin with a run of the site."""
        if self.shape:
            self.shape = Shape(self.shape.project, self.shape.topology, {"": {"changed": True}})

    def on(self, machine: str, script: str) -> str:
        """Run a script as root on a machine."""
        return self.lab.on(ADDRESSES[machine], script)

    def espalier(self, *words: str) -> str:
        """Run a command of the kit for the site; gives what it wrote to its output."""
        return self.lab.espalier(*words, with_errors=False)

    def sql(self, statement: str, database: str = "") -> str:
        """Ask the primary as its administrator; gives the rows, a line each."""
        options = f"-XAtq -v ON_ERROR_STOP=1 -d {database or self.name}"
        words = f"cd / && runuser -u postgres -- psql {options} <<'END'\n{statement}\nEND"
        return self.on(self.database, words).strip()

    def manage(self, *words: str) -> str:
        """Run manage.py in the live release."""
        release = ["release", "--project", self.name, "manage", "--", *words]
        return self.on("vps1", shlex.join(release))

    def ask(self, path: str, count: int = 1) -> list[tuple[int, float]]:
        """Ask for a page from here, one after the other; gives status and seconds of each.

        Raises:
            OSError: the machine does not answer.
        """
        address = f"https://{ADDRESSES['vps1']}{path}"
        context = ssl._create_unverified_context()
        found = []
        for _ in range(count):
            began = time.monotonic()
            try:
                with urllib.request.urlopen(address, context=context, timeout=60) as page:
                    page.read()
                    status = page.status
            except urllib.error.HTTPError as error:
                status = error.code
            found.append((status, time.monotonic() - began))
        return found

    def restart_database(self) -> None:
        """Restart PostgreSQL, and wait until the site answers again."""
        unit = postgresql_unit(self.on, self.database)
        self.on(self.database, f"systemctl restart {unit}")
        self.wait()

    def wait(self) -> None:
        """Wait until the front page is good."""
        demand(soon(self._answers, 60), "the site does not answer")

    def _answers(self) -> bool:
        try:
            return self.ask("/")[0][0] < 500
        except OSError:
            return False

    @property
    def web_units(self) -> list[str]:
        """Units of Django's web server."""
        return web_units(self.name)

    def container(self, machine: str) -> str:
        """The name of a machine's container."""
        return f"espalier-{self.lab.name}-{machine}"

    def files(self) -> Path:
        """Where `espalier` keeps its recordings."""
        return self.lab.site_directory / ".measurements"


def log_of(machines: Machines) -> str:
    """What all commands printed so far; "" without any."""
    log = machines.home / "commands.log"
    return log.read_text() if log.exists() else ""
