"""The Debian packages of a machine's services.

Each role lists its own in its defaults, where it needs them alone. This reads the lists from there,
so that a run installs those of all services of a machine in one transaction.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from espalier.inventory.services import SERVICES
from espalier.wiring.roles import role_defaults

# Beside the packages of its role, those that one of the role's services needs.
OF_SERVICE = {
    "app_proxy": "nginx_proxy_packages",
    "pgbackrest_repository": "pgbackrest_repository_packages",
    "restic_repository": "restic_repository_packages",
}

# By role: the package whose own configuration file the kit writes over.
CONFIGURED = {
    "nginx": "nginx-common",
    "pgbouncer": "pgbouncer",
    "postgresql": "postgresql-common",
    "redis": "redis-server",
    "tunnel": "haproxy",
}


def configured_packages(roles: Iterable[str]) -> list[str]:
    """Return the packages that have to be installed again once the kit's configuration is gone."""
    return [CONFIGURED[role] for role in dict.fromkeys(roles) if role in CONFIGURED]


def replaces_debians(diffs: Iterable[Mapping[str, str]], path: str) -> bool:
    """Return whether a task `files` has written over a configuration that Debian brings.

    Args:
        diffs: of the task's result: `before_header` is the path, `before` the text.
        path: of the configuration.
    """
    before = [diff["before"] for diff in diffs if diff["before_header"] == path]
    return any(text and "Espalier" not in text for text in before)


def packages(
    services: Iterable[str],
    project: Sequence[str] = (),
    database: Sequence[str] = (),
    defaults: Mapping[str, Mapping[str, Sequence[str]]] | None = None,
    *,
    certificate: bool = False,
) -> list[str]:
    """Return the packages to install on a machine, each once, in the order of its services.

    Args:
        services: what runs on the machine.
        project: the packages that the project needs where it runs (`packages` in project.yml).
        database: the packages that its database needs, on the primary and on every replica.
        certificate: whether an authority gives the site's certificate.
        defaults: role -> its default values; without it, as the roles' files say.
    """
    found: list[str] = []
    for service in services:
        role = SERVICES[service].role
        values = defaults[role] if defaults else role_defaults(role)
        found += values[f"{role}_packages"]
        if service in OF_SERVICE:
            found += values[OF_SERVICE[service]]
        if service == "nginx" and certificate:
            found += values["nginx_certificate_packages"]
        if service == "django":
            found += project
        if role == "postgresql":
            found += database
    return list(dict.fromkeys(found))
