"""What the recording says of the site: the map, and the settings that an advice would change.

Where a service runs is the topology's. How many workers, connections or MiB it has depends on the
machine's cores and memory, and a run may not have taken place since the inventory was edited: it is
read from the files that the last run left on the machine. Nothing secret is read.
"""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from collections.abc import Mapping
from typing import Any

from espalier.insight.recording import SiteFacts
from espalier.inventory.remote import Remote, explain
from espalier.inventory.services import DUTIES
from espalier.inventory.site import Site, SiteError

# By the setting's name in its file, each name is in one kind of file only.
FILES = (
    "/etc/espalier/{project}/environment",
    "/etc/postgresql/*/main/conf.d/*.conf",
    "/etc/pgbouncer/pgbouncer.ini",
    "/etc/redis/redis.conf",
)
NAMES = (
    "ESPALIER_WEB_WORKERS",
    "ESPALIER_WEB_THREADS",
    "max_connections",
    "default_pool_size",
    "maxmemory",
)
SETTING = re.compile(rf"""({"|".join(NAMES)})[\s='"]+(\d+)(mb)?['"]?\s*$""")
# Django itself, as the project's own settings have the last word on it. The last line counts:
# settings may print something.
ASK_DJANGO = """
import json
from django.conf import settings
default = settings.DATABASES.get("default", {})
pool = default.get("OPTIONS", {}).get("pool")
print(json.dumps({"age": default.get("CONN_MAX_AGE", 0), "pool": bool(pool)}))
"""
DEFAULT_CONNECTIONS = 100  # PostgreSQL's own
# Of Django's connections, in seconds, where it did not answer: the overlay's, and Django's own.
OVERLAY_AGE, DEFAULT_AGE = 600, 0

Settings = Mapping[str, int]


def settings_command(project: str) -> list[str]:
    """The command that prints the settings of a machine which an advice would change."""
    files = " ".join(
        one.format(project=shlex.quote(project)) if "{" in one else one for one in FILES
    )
    pattern = f"^({'|'.join(NAMES)})[ =]"
    return ["sh", "-c", f"grep -shE {shlex.quote(pattern)} {files} || true"]


def parse_settings(output: str) -> dict[str, int]:
    """Read what `settings_command` prints: name -> number; the last one of a name counts."""
    found = (SETTING.match(line.strip()) for line in output.splitlines())
    return {one[1]: int(one[2]) for one in found if one}


def django_command(project: str) -> list[str]:
    """The command that asks Django how long it keeps a connection."""
    shell = ["shell", "-v", "0", "-c", ASK_DJANGO]
    return ["release", "--project", project, "manage", "--", *shell]


def ask(remote: Remote, site: Site) -> tuple[dict[str, Settings], dict[str, Any]]:
    """Read settings on every machine, and ask Django on the first that runs it.

    Gives settings by machine, and Django's answer ({} where it gave none).

    Raises:
        SiteError: a machine does not answer.
    """
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    jobs = {
        name: remote.start(name, settings_command(site.name), **pipes)
        for name in site.topology["machines"]
    }
    django = remote.start(site.app_machines[0], django_command(site.name), **pipes)
    answers = {name: (*job.communicate(), job.returncode) for name, job in jobs.items()}
    told = django.communicate()[0]
    for name, (_, errors, status) in answers.items():
        if status:
            raise SiteError(f"{name} does not answer: {explain(errors)}")
    return {name: parse_settings(out) for name, (out, _, _) in answers.items()}, last_object(told)


def last_object(output: str) -> dict[str, Any]:
    """The JSON object in the last line of an output; {} where it has none."""
    try:
        found = json.loads(output.strip().splitlines()[-1])
    except (ValueError, IndexError):
        return {}
    return found if isinstance(found, dict) else {}


def site_facts(
    site: Site,
    settings: Mapping[str, Settings],
    django: Mapping[str, Any],
    prices: Mapping[str, float],
    currency: str = "",
) -> SiteFacts:
    """Put together what a recording says of the site.

    Args:
        site: what the inventory says.
        settings: by machine, what `parse_settings` gave.
        django: what Django answered: `age` in seconds (None: for ever), {} for nothing.
        prices: machine -> a month.
        currency: of the prices.
    """

    def of(machine: str, name: str) -> int | None:
        return settings.get(machine, {}).get(name)

    def first(service: str, name: str) -> int | None:
        return next((n for one in site.machines(service) if (n := of(one, name))), None)

    machines = site.topology["machines"]
    apps = site.app_machines
    pages = site.project.get("microcache") or ()
    overlay = site.project.get("overlay", True) is not False
    return SiteFacts(
        project=site.name,
        tiers=list(site.topology["tiers"]),
        duties={
            duty: having
            for duty in DUTIES
            if (having := [name for name, placed in machines.items() if duty in placed["duties"]])
        },
        services={name: list(on) for name, on in site.topology["services"].items() if on},
        addresses={name: placed["address"] for name, placed in machines.items()},
        workers={one: n for one in apps if (n := of(one, "ESPALIER_WEB_WORKERS"))},
        threads={one: n for one in apps if (n := of(one, "ESPALIER_WEB_THREADS"))},
        max_connections=first("postgresql_primary", "max_connections") or DEFAULT_CONNECTIONS,
        pool_size=first("pgbouncer", "default_pool_size"),
        conn_max_age=django.get("age", OVERLAY_AGE if overlay else DEFAULT_AGE),
        redis_memory_mb=first("redis", "maxmemory"),
        microcache={page["path"]: float(page["seconds"]) for page in pages},
        prices=dict(prices),
        currency=currency,
        overlay=overlay,
    )
