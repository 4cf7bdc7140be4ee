#!/usr/bin/env python3
"""Measure what each tier gains, on lab machines capped by CPU so that they act as separate ones.

    bench/tiers.py                    everything; prints ratios
    bench/tiers.py app_servers        one app machine, two and four behind the same web machine
    bench/tiers.py replicas           a read-heavy load: the database alone, and with a replica
    bench/tiers.py stale              10,000 rows written and read back, with the replica 2 s behind
    bench/tiers.py overhead           what the router and the overlay's middleware cost a page
    bench/tiers.py pgbouncer          500 clients that connect for every query
    bench/tiers.py redis              a page cached in redis, and one that nginx keeps
    bench/tiers.py unchanged          a run with nothing to change: the full ladder against one VPS

Both sides of a ratio are measured in one run on the same machines, with the tier off and on, as a
user sees it who edits `tiers`. While something is measured each machine has a fraction of a core,
or they would only share the host's two: absolute numbers mean nothing.
"""

from __future__ import annotations

import json
import re
import shlex
import shutil
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from bench.run import BENCH, ROOT, over_ssh, run, tool, wait_for_page
from espalier.load.report import sentence
from espalier.load.site import Site as LoadSite
from espalier.load.visitors import Load

LAB = "bench-tiers"
NETWORK = "198.18.10"
# Cores while measuring. An app machine is small enough for the others to carry four of them.
APPS = [f"app{number}" for number in range(1, 9)]
CORES = {"web1": 0.6, "db1": 0.4, "db2": 0.4} | dict.fromkeys(APPS, 0.2)
ADDRESSES = {name: f"{NETWORK}.{11 + number}" for number, name in enumerate(CORES)}
ROUNDS = 3
SECONDS = 6
CONNECTIONS = 32
EVERY_TIER = ("replicas", "pgbouncer", "redis", "app_servers")


class Site:
    """A site on the bench's machines, in the shape that was asked for last."""

    def __init__(self, folder: Path) -> None:
        """Keep its inventory in `folder`."""
        self.folder = folder
        self.names: list[str] = []

    def converge(
        self,
        tiers: Sequence[str],
        duties: Mapping[str, Sequence[str]],
        project: Mapping[str, Any] | None = None,
        **variables: Any,
    ) -> None:
        """Write the inventory of one shape, make its machines if need be, and converge them.

        A machine that was there stays, without a duty, so that the next shape finds it.
        """
        kit = yaml.safe_load((BENCH / "inventories/kit/hosts.yml").read_text())["all"]["vars"]
        used = {name for names in duties.values() for name in names}
        self.names = [name for name in CORES if name in used or name in self.names]
        everything = {
            "vars": kit
            | {"tiers": list(tiers), "lab": {"name": LAB, "network": f"{NETWORK}.0/24"}}
            | {"project": {"directory": "examples/orchard", **(project or {})}}
            | variables,
            "hosts": {
                name: {
                    "ansible_host": ADDRESSES[name],
                    "private_address": ADDRESSES[name],
                    "memory_mb": 1024,
                    "cores": 1,
                }
                for name in self.names
            },
            "children": {duty: {"hosts": dict.fromkeys(names)} for duty, names in duties.items()},
        }
        (self.folder / "hosts.yml").write_text(json.dumps({"all": everything}))
        (self.folder / "topology.yml").write_text("plugin: topology\n")
        run(sys.executable, "-m", "espalier.lab", "up", "-i", str(self.folder))
        self.again()
        wait_for_page(ADDRESSES[duties["web"][0]])
        print(f"        {', '.join(tiers) or 'no tier'} on {', '.join(sorted(used))}", flush=True)

    def again(self) -> float:
        """Converge as the inventory stands; gives the seconds it took."""
        began = time.monotonic()
        run(tool("ansible-playbook"), "site.yml", "-i", str(self.folder))
        return time.monotonic() - began

    def down(self) -> None:
        """Remove the machines."""
        if (self.folder / "hosts.yml").exists():
            run(sys.executable, "-m", "espalier.lab", "down", "-i", str(self.folder))
        self.names = []

    @contextmanager
    def capped(self, cores: Mapping[str, float] = CORES) -> Iterator[None]:
        """Give each machine its fraction of a core inside, and back what it had after."""
        there = run("podman", "ps", "--format", "{{.Names}}").split()
        names = {name: f"espalier-{LAB}-{name}" for name in cores}
        try:
            for name, container in names.items():
                if container in there:
                    run("podman", "update", "--cpus", str(cores[name]), container)
            yield
        finally:
            for container in names.values():
                if container in there:
                    run("podman", "update", "--cpus", "1", container)

    def python(self, machine: str, *arguments: str) -> str:
        """Run the release's Python on a machine, with the environment of the site."""
        script = (
            "cd /srv/orchard/current/code && set -a && . /etc/espalier/orchard/environment"
            " && . /srv/orchard/current/release.env && set +a && ../venv/bin/python "
        )
        return over_ssh(ADDRESSES[machine], script + shlex.join(arguments))

    def manage(self, machine: str, *arguments: str) -> None:
        """Run the project's manage.py."""
        self.python(machine, "manage.py", *arguments)


def rate(path: str, web: str = "web1", connections: int = CONNECTIONS) -> float:
    """Ask for a page with kept-alive connections; gives the median requests per second."""
    rates = []
    for _ in range(ROUNDS + 1):
        threads = ("-t", "2", "-c", str(connections), "-d", f"{SECONDS}s", "--timeout", "30s")
        output = run("wrk", *threads, f"https://{ADDRESSES[web]}{path}")
        if "Non-2xx" in output or re.search(r"Socket errors: .*(connect|read|write) [1-9]", output):
            sys.exit(f"requests for {path} failed:\n{output}")
        rates.append(float(re.search(r"Requests/sec:\s+([\d.]+)", output)[1]))  # type: ignore[index]
    if not min(rates):
        sys.exit(f"no request for {path} was answered within {SECONDS} s: {rates}")
    return statistics.median(rates[1:])  # the first round warms up


def report(what: str, before: float, after: float, unit: str = "requests/s") -> None:
    """Print one ratio with both of its sides."""
    print(f"ratio  {what}: {after / before:.2f}  ({before:.2f} -> {after:.2f} {unit})", flush=True)


def duties(apps: int, dbs: int) -> dict[str, list[str]]:
    """Machines by duty: one web machine, as many app and db machines as asked for."""
    return {
        "web": ["web1"],
        "app": APPS[:apps],
        "db": [f"db{number}" for number in range(1, dbs + 1)],
    }


def measure_app_servers(site: Site) -> None:
    """Requests per second of a page with one query, by app machines; one, before and after."""
    rates = {}
    for step, count in enumerate((1, 2, 4, 1)):
        site.converge(["app_servers"] if count > 1 else [], duties(count, 1))
        with site.capped():
            rates[step] = rate("/trees/1/")
        print(f"        {count} app machines: {rates[step]:.1f} requests/s", flush=True)
    one = (rates[0] + rates[3]) / 2
    report("2 app machines", one, rates[1])
    report("4 app machines", one, rates[2])


def measure_replicas(site: Site) -> None:
    """Requests per second of a page whose queries are most of its cost."""
    caps = {"web1": 0.4, "app1": 0.8, "db1": 0.25, "db2": 0.25}
    site.converge([], duties(1, 1))
    site.manage("app1", "plant", "--trees", "200", "--harvests", "4000")
    with site.capped(caps):
        alone = rate("/harvest/", connections=16)
    site.converge(["replicas"], duties(1, 2))
    with site.capped(caps):
        report("one replica, read-heavy", alone, rate("/harvest/", connections=16))


def sql(machine: str, *statements: str, database: str = "postgres") -> str:
    """Ask PostgreSQL on a machine as its administrator."""
    command = ["runuser", "-u", "postgres", "--", "psql", "-XAt", "-d", database]
    for statement in statements:
        command += ["-c", statement]
    return over_ssh(ADDRESSES[machine], shlex.join(command)).strip()


WRITE_THEN_READS = 10_000
# How often the page of figures was read: no other has such a query.
FIGURES = (
    "SELECT coalesce(sum(calls), 0) FROM pg_stat_statements WHERE query LIKE '%COUNT(DISTINCT%'"
)


def measure_stale(site: Site) -> None:
    """Rows that their own writer does not see, with a replica that is held 2 s behind."""
    site.converge(["replicas"], duties(1, 2))
    site.manage("app1", "plant", "--trees", "200", "--harvests", "2000")
    hold = ("ALTER SYSTEM SET recovery_min_apply_delay = '2s'", "SELECT pg_reload_conf()")
    sql("db2", *hold)
    time.sleep(5)
    before = {name: int(sql(name, FIGURES, database="orchard")) for name in ("db1", "db2")}
    where = LoadSite(ADDRESSES["web1"], ADDRESSES["web1"])
    ledger = ROOT / ".lab" / "bench" / "ledger.jsonl"
    bounds = {"seconds": 3000, "requests": 3 * WRITE_THEN_READS, "pause": 0.0}
    # Each turn of a writer writes and reads back; readers only read.
    writers = Load(where, 6, ledger, writes=1.0, **bounds)
    readers = Load(where, 2, paths=("/harvest/",), seconds=3000, pause=0.05)
    with readers, writers:
        writers.wait(threading.Event())
    wrote, read = writers.report(), readers.report()
    read_on = {name: int(sql(name, FIGURES, database="orchard")) for name in before}
    calls = {name: read_on[name] - before[name] for name in before}
    print(f"        writers: {sentence(wrote)}", flush=True)
    print(f"        readers: {sentence(read)}", flush=True)
    own = wrote["kinds"]["own"]["sent"]
    print(f"ratio  stale reads of write-then-reads: {wrote['stale']} / {own}", flush=True)
    total = sum(calls.values())
    print(f"ratio  other reads, on the replica: {calls['db2']} / {total}", flush=True)


# One process for each measurement: in both, Django serves the same page, in the same way.
OVERHEAD = r"""
import sys, time
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.test import RequestFactory

if sys.argv[1] == "without":
    ours = lambda names: [name for name in names if not name.startswith("espalier_overlay.")]
    settings.MIDDLEWARE = ours(settings.MIDDLEWARE)
    settings.DATABASE_ROUTERS = ours(settings.DATABASE_ROUTERS)
application = get_wsgi_application()
asked = RequestFactory().get("/trees/1/", secure=True, headers={"host": sys.argv[2]}).environ

def page():
    response = application(dict(asked), lambda status, headers: None)
    assert response.status_code == 200
    b"".join(response)
    response.close()

for _ in range(100):
    page()
began = time.process_time()
for _ in range(1000):
    page()
print((time.process_time() - began) / 1000)
"""


def measure_overhead(site: Site) -> None:
    """Computing time that the router and the overlay's middleware add to a page of one query."""
    site.converge(["replicas"], duties(1, 2))
    spent: dict[str, list[float]] = {"without": [], "with": []}
    for _ in range(9):
        for how, seconds in spent.items():
            output = site.python("app1", "-c", OVERHEAD, how, ADDRESSES["web1"])
            seconds.append(float(output))
    # The least of computing times: whatever else runs on the host only ever adds to them.
    least = {how: min(seconds) * 1000 for how, seconds in spent.items()}
    report("router and middleware", least["without"], least["with"], "ms of computing a page")


# The password stays in the environment of the command, as it does for the site.
PGBENCH = r"""
cd /tmp && echo 'SELECT 1' > query.sql
export PGSSLMODE=require
url=$(sed -n 's/^DATABASE_URL="\(.*\)"/\1/p' /etc/espalier/orchard/environment)
export PGPASSWORD=$(echo "$url" | sed 's|^[^:]*://[^:]*:\([^@]*\)@.*|\1|')
/usr/lib/postgresql/*/bin/pgbench --no-vacuum --connect --client 500 --jobs 4 --time 30 \
  --file query.sql --username orchard --host {host} --port {port} orchard 2>&1 || true
"""


def measure_pgbouncer(site: Site) -> None:
    """Transactions per second of 500 clients that connect anew for every one."""
    # Without a pooler PostgreSQL would refuse most of them: let it take all, for the comparison.
    site.converge(["pgbouncer"], duties(1, 1), postgresql_max_connections=600)
    app = ADDRESSES["app1"]
    over_ssh(app, "apt-get install -qqy --no-install-recommends postgresql > /dev/null 2>&1")
    speeds: dict[int, float] = {}
    with site.capped({"db1": 0.3}):
        for port in (5432, 6432):
            output = over_ssh(app, PGBENCH.format(host=ADDRESSES["db1"], port=port))
            if re.search(r"FATAL|aborted", output):
                print(f"        port {port}: clients were refused:\n{output[-500:]}")
            speeds[port] = float(re.search(r"tps = ([\d.]+)", output)[1])  # type: ignore[index]
    report("pgbouncer, 500 clients that reconnect", speeds[5432], speeds[6432], "queries/s")


def measure_redis(site: Site) -> None:
    """Requests per second of an expensive page, of the same figures cached, and kept by nginx."""
    cached = {"microcache": [{"path": "/guide/", "seconds": 10}]}
    site.converge(["redis"], duties(1, 1))
    site.manage("app1", "plant", "--trees", "200", "--harvests", "4000")
    with site.capped():
        report("redis-cached page", rate("/harvest/"), rate("/almanac/"))
        uncached = rate("/guide/")
    site.converge(["redis"], duties(1, 1), cached)
    with site.capped():
        report("microcached page", uncached, rate("/guide/"))


def measure_unchanged(site: Site) -> None:
    """Seconds of a run with nothing to change."""
    site.converge([], {"web": ["web1"], "app": ["web1"], "db": ["web1"]})
    one = statistics.median(site.again() for _ in range(3))
    site.down()
    site.converge(EVERY_TIER, duties(4, 2))
    ladder = statistics.median(site.again() for _ in range(3))
    report("unchanged run, every tier on 7 machines against one", one, ladder, "s")


def main() -> None:
    """Run the measurements named on the command line, or all."""
    known = {
        name.removeprefix("measure_"): function
        for name, function in globals().items()
        if name.startswith("measure_")
    }
    wanted = sys.argv[1:] or list(known)
    if unknown := set(wanted) - known.keys():
        sys.exit(f"unknown: {', '.join(unknown)}; there are {', '.join(known)}")
    if not shutil.which("wrk"):
        sys.exit("wrk is not installed: `make prerequisites` installs it")
    for name in wanted:
        print(f"== {name}", flush=True)
        with tempfile.TemporaryDirectory() as folder:
            site = Site(Path(folder))
            try:
                known[name](site)
            finally:
                site.down()


if __name__ == "__main__":
    main()
