"""What PostgreSQL is told: connections, processes, replication slots, and its pool at a restart."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from espalier.inventory.services import SERVICES
from espalier.project.extensions import EXTENSIONS

# Beside Django's: administration, checks, replicas.
RESERVED_CONNECTIONS = 20
# What PGTune gives the web.
LEAST_CONNECTIONS = 200
# PostgreSQL's own default.
LEAST_WORKER_PROCESSES = 8
# A transaction that does not end is not waited for longer (seconds).
PAUSE_TIMEOUT = 20
SETTING = re.compile(r"[a-z_.]+(?= = )")


def max_connections(capacities: Iterable[Mapping[str, int]]) -> int:
    """Return the connections to allow.

    Every thread of every Django worker keeps one (under ASGI its pool holds as many), and the
    worker one more to see how far replicas are; while a release is switched, both run. Workers
    count as if the memory sufficed for one a core and one to spare, because a change of this number
    restarts PostgreSQL, and another share of the memory must not do so. It begins where a growing
    site does not reach it soon. A pool in front needs fewer connections, but switching it must not
    restart PostgreSQL either.

    Args:
        capacities: `cores`, `workers` and `threads` of each machine with the duty `app`, whether
            it runs Django or not: no tier changes duties.
    """
    connections = RESERVED_CONNECTIONS
    for machine in capacities:
        workers = max(int(machine["workers"]), int(machine["cores"]) + 1)
        connections += 2 * workers * (int(machine["threads"]) + 1)
    return max(connections, LEAST_CONNECTIONS)


def max_worker_processes(cores: Iterable[int]) -> int:
    """Return the background processes to allow: one a core, at least PostgreSQL's own default.

    Args:
        cores: of this machine and of its primary's: a replica with fewer stops replaying.
    """
    return max(*map(int, cores), LEAST_WORKER_PROCESSES)


def extension_packages(extensions: Iterable[str], version: int) -> list[str]:
    """Return the Debian packages that bring extensions, each once.

    Args:
        extensions: names, each in the table.
        version: the machine's major version of PostgreSQL.
    """
    names = (EXTENSIONS[name].package.format(version) for name in extensions)
    return list(dict.fromkeys(filter(None, names)))


def missing_extensions(extensions: Iterable[str], version: int) -> list[str]:
    """Return the extensions that a machine's Debian does not have for its PostgreSQL."""
    return [name for name in extensions if EXTENSIONS[name].since > version]


def own_functions_query(extensions: Iterable[str]) -> str:
    """Return SQL for the functions of the project's own that an extension's script could call.

    An extension that PostgreSQL does not trust the owner of a database with is made by the
    administrator, whose script would call a function of that name in the schema `public`. One row:
    `found` has their names, and is NULL where there are none or where nothing is left to be made.
    An extension whose package is still to come counts: those that are trusted come with the server.

    Args:
        extensions: names, each in the table.
    """
    return f"""\
SELECT string_agg(DISTINCT p.proname, ', ') AS found
FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_roles r ON r.oid = p.proowner
WHERE p.pronamespace = 'public'::pg_catalog.regnamespace AND NOT r.rolsuper
AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.deptype = 'e' AND d.objid = p.oid
                AND d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass)
AND EXISTS (SELECT FROM unnest('{{{",".join(extensions)}}}'::text[]) AS wanted
            WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_extension e WHERE e.extname = wanted)
            AND (SELECT bool_and(v.trusted) FROM pg_catalog.pg_available_extension_versions v
                 WHERE v.name = wanted) IS NOT TRUE)"""


def pool_commands(services: Sequence[str], command: str) -> list[list[str]]:
    """Return the commands that hold (`PAUSE`) or release (`RESUME`) the clients of a pool here.

    They never fail: where the pool is not there yet, or stands still, there is nothing to hold.

    Args:
        services: what the last run left on this machine. Without pgbouncer there is no command.
        command: of pgbouncer's administration console.
    """
    if "pgbouncer" not in services:
        return []
    pool = SERVICES["pgbouncer"]
    console = f"psql -X -h {pool.local} -p {pool.port} -U pgbouncer -d pgbouncer -c"
    bounded = f"timeout {PAUSE_TIMEOUT} " if command == "PAUSE" else ""
    return [
        ["runuser", "-u", "postgres", "--", "sh", "-c", f"{bounded}{console} {command} || true"]
    ]


def restart_script(
    unit: str, before: Iterable[Sequence[str]], after: Iterable[Sequence[str]]
) -> str:
    """Return the shell script that restarts a unit between commands, whether or not it starts.

    Args:
        unit: of systemd.
        before: commands, each a list of arguments, that come first, such as a pool's PAUSE.
        after: commands that come last, such as its RESUME. The script's exit status is that of the
            restart: 0 or 1.
    """
    restart = f"systemctl restart {shlex.quote(unit)} && status=0 || status=1"
    steps = [*map(shlex.join, before), restart, *map(shlex.join, after), "exit $status"]
    return "; ".join(steps)


def changed_settings(diff: Iterable[Mapping[str, Any]], path: str) -> list[str]:
    """Return the names of the settings that differ between the old file and the new one.

    Args:
        diff: the differences that the module `files` returned.
        path: of the configuration file; what differs in others does not count.
    """
    names = []
    for file in diff:
        if file["after_header"] == path:
            before, after = file["before"].splitlines(), file["after"].splitlines()
            differing = [line for line in before if line not in after]
            differing += [line for line in after if line not in before]
            names += [found[0] for line in differing if (found := SETTING.match(line))]
    return list(dict.fromkeys(names))
