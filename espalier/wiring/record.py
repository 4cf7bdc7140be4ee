"""What is on a machine, what is planned there, and so what leaves.

Every machine keeps a record of what the last run left on it (/etc/ansible/facts.d/espalier.fact).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TypedDict

from espalier.inventory.services import SERVICES
from espalier.wiring.tunnel import Tunnel, tunnels_during_run


class Record(TypedDict, total=False):
    """The record of a machine; empty before the first run.

    Attributes:
        site: whose it is: the name of the project, also where no Django runs.
        services: what runs on it.
        projects: the Django projects on it.
        clients: access -> who is allowed to use it (see `PlacedMachine`).
        primary: the machine with the primary database.
        uploads: the machine with the uploads, "" with an object store.
        tunnels: its ends of tunnels. Not there on a machine of a version before 0.13, to which
            others come in the clear.
        backup: the destination of its backups, as a fingerprint; "" for none.
    """

    site: str
    services: list[str]
    projects: list[str]
    clients: dict[str, list[str]]
    primary: str
    uploads: str
    tunnels: list[Tunnel]
    backup: str


def role(access: str) -> str:
    """Return the role that makes a service, or allows an access: those that are none, PostgreSQL.

    `replication` and `pooling` are accesses to PostgreSQL beside those of its services.
    """
    return SERVICES[access].role if access in SERVICES else "postgresql"


def allowed_clients(
    planned: Mapping[str, Sequence[str]], recorded: Mapping[str, Sequence[str]]
) -> dict[str, list[str]]:
    """Return who is allowed to connect while a run goes on: access -> clients.

    Machines that are about to leave still may; the run's last play allows only those of the
    topology.
    """
    return {
        access: list(dict.fromkeys([*clients, *recorded.get(access, ())]))
        for access, clients in planned.items()
    }


def roles_losing_clients(
    planned: Mapping[str, Sequence[str]], recorded: Mapping[str, Sequence[str]]
) -> list[str]:
    """Return the roles of which a client of the last run is none of the topology's any more."""
    losing = [access for access in planned if set(recorded.get(access, ())) - set(planned[access])]
    return list(dict.fromkeys(role(access) for access in losing))


def services_leaving(planned: Sequence[str], recorded: Sequence[str]) -> list[str]:
    """Return the services to retire: a role leaves with the last of its services.

    Django is not among them: it leaves project by project.
    """
    roles = {role(service) for service in planned} | {"django"}
    return [service for service in dict.fromkeys(recorded) if role(service) not in roles]


def record_during_run(planned: Record, recorded: Record) -> Record:
    """Return what is recorded until the run has retired what leaves.

    Old and new together, so that a run that was cut off is finished by the next one. The machine is
    the old site's until then, so that its own inventory may have it back.
    """
    found: Record = {
        "site": recorded.get("site") or planned["site"],
        "services": sorted({*planned["services"], *recorded.get("services", ())}),
        "projects": sorted({*planned["projects"], *recorded.get("projects", ())}),
        # Those of services that leave, too: the firewall lets them in until the run has ended.
        "clients": recorded.get("clients", {})
        | allowed_clients(planned["clients"], recorded.get("clients", {})),
        "primary": recorded.get("primary", ""),
        "uploads": recorded.get("uploads", ""),
        "backup": recorded.get("backup", ""),
    }
    if "tunnels" in recorded or not recorded.get("services"):
        found["tunnels"] = tunnels_during_run(planned["tunnels"], recorded.get("tunnels", ()))
    return found


def record_without_database(during_run: Record, recorded: Record) -> Record:
    """Return what is recorded until a restore has brought the database: that there is none.

    So a restore that is planned and not made, or is cut off, is not taken for a site whose empty
    database may be used.

    Args:
        during_run: what would be recorded.
        recorded: the machine's record.
    """
    came = {"postgresql_primary"} - set(recorded.get("services", ()))
    return {**during_run, "services": [one for one in during_run["services"] if one not in came]}


def new_replicas(machines: Iterable[str], services: Iterable[Sequence[str]]) -> list[str]:
    """Return the machines of replicas that had none after the last run.

    Args:
        machines: those that are to hold a replica.
        services: what each of them recorded to run, in the same order.
    """
    pairs = zip(machines, services, strict=True)
    return [name for name, recorded in pairs if "postgresql_replica" not in recorded]
