"""Which units of systemd a service of the topology consists of, on one machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from espalier.inventory.services import TUNNELS
from espalier.wiring.debian import RELEASES

_POSTGRESQL = tuple(f"postgresql@{one['postgresql']}-main.service" for one in RELEASES.values())
# As the roles name them; {project} is the site's name. Some do not run, and some are not there.
UNITS: Mapping[str, Sequence[str]] = {
    "nginx": ("nginx.service",),
    "app_proxy": ("nginx.service",),
    "django": ("{project}-web@blue.service", "{project}-web@green.service"),
    "media": ("espalier-media.service",),
    "pgbouncer": ("pgbouncer.service",),
    "postgresql_primary": _POSTGRESQL,
    "postgresql_replica": _POSTGRESQL,
    "redis": ("redis-server.service",),
    "queue": ("redis-server@queue.service",),
    **dict.fromkeys(TUNNELS.values(), ("haproxy.service",)),
    "pgbackrest": ("pgbackrest.service", "espalier-backup.service", "espalier-drill.service"),
    "pgbackrest_repository": ("pgbackrest.service",),
    "restic": ("espalier-uploads-backup.service",),
}
# Not of the topology: the project's other processes (`processes`, `schedule` in project.yml). How
# many there are is the release's to say, so that the star is systemd's own wildcard.
PROCESSES = "processes"
PROCESS_UNITS = ("{project}-process@*.service", "{project}-schedule@*.service")


def units(project: str, services: Sequence[str]) -> dict[str, list[str]]:
    """The units of each service of a machine; a unit belongs to the first service that has it.

    Args:
        project: the site's name.
        services: of the machine, in the order of the table of services.
    """
    found: dict[str, list[str]] = {}
    taken: set[str] = set()
    wanted = {one: UNITS.get(one, ()) for one in services}
    if "django" in services:
        wanted[PROCESSES] = PROCESS_UNITS
    for service, patterns in wanted.items():
        own = [name.format(project=project) for name in patterns]
        own = [name for name in own if name not in taken]
        if own:
            found[service] = own
            taken.update(own)
    return found
