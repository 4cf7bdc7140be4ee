"""What Django is told: how many workers, which hosts, which web server is in front of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from espalier.inventory.model import Endpoint
from espalier.project.variables.given import CONSTANTS

# What a process of Django takes, with its threads, in MiB.
WORKER_MB = 150


def worker_count(cores: int, memory_mb: int) -> int:
    """Return how many processes answer requests.

    One a core and one to spare for the moments when another waits, as far as 150 MiB for each fit
    into the memory; two at least, so that one slow request does not stop the site.

    Args:
        cores: of the machine.
        memory_mb: what is Django's, in MiB: its share, without what redis takes of it.
    """
    return max(min(int(cores) + 1, int(memory_mb) // WORKER_MB), 2)


def front(listens: Mapping[str, Sequence[Endpoint]]) -> str:
    """Return where this machine's own web server answers for Django, without a path.

    A machine whose nginx sends visitors to other machines too has one of its own in front of its
    Django only where the topology says so: the service `app_proxy`.
    """
    if "app_proxy" not in listens:
        return "https://127.0.0.1"
    return f"https://{listens['app_proxy'][0]['address']}:{listens['app_proxy'][0]['port']}"


def secret_key_environment(key: str, others: Sequence[str]) -> dict[str, str]:
    """Return the environment variables with the secret key, and with others to accept beside it.

    Args:
        key: what Django signs with.
        others: keys whose signatures it accepts, too; empty ones count for nothing.
    """
    fallbacks = ",".join(filter(None, others))
    variables = {"SECRET_KEY": key}
    if fallbacks:
        variables["SECRET_KEY_FALLBACKS"] = fallbacks
    # For the overlay, and for a project that reads them itself.
    return variables | {f"ESPALIER_{name}": value for name, value in variables.items()}


def allowed_hosts(domains: Sequence[str]) -> str:
    """Return the names of the site as Django wants them.

    An IPv6 address is in brackets; `.example.com` stands for all names below it, and nginx lets
    those alone through that are among the site's.
    """
    names = (domain.removeprefix("*") for domain in domains)
    return ",".join(f"[{name}]" if ":" in name else name for name in names)


def csp_environment(csp: str) -> dict[str, str]:
    """Return what the overlay is told of `csp` in project.yml: nothing if it is not stated."""
    return {"ESPALIER_CSP": csp} if csp else {}


def quiet_environment(quiet: bool) -> dict[str, str]:
    """Return what the overlay and the release command are told of `quiet` in project.yml."""
    return {"ESPALIER_QUIET": "1"} if quiet else {}


def insight_environment(insight: bool) -> dict[str, str]:
    """Return what the overlay is told of `insight` in hosts.yml: to time every request."""
    return {"ESPALIER_INSIGHT": "1"} if insight else {}


def site_environment(domains: Sequence[str]) -> dict[str, str]:
    """Return what settings read of a site that is no secret: its address, and that it is live.

    A release says under which names its settings read them (`given` in build.json).

    Args:
        domains: the names of the site, or its address.
    """
    hosts = allowed_hosts(domains).split(",")
    return {
        "ESPALIER_ALLOWED_HOSTS": ",".join(hosts),
        "ESPALIER_SITE_DOMAIN": domains[0],
        "ESPALIER_SITE_URL": f"https://{hosts[0]}",
        # Django takes a wildcard here, in this form.
        "ESPALIER_SITE_ORIGINS": ",".join(
            f"https://*{host}" if host.startswith(".") else f"https://{host}" for host in hosts
        ),
        **CONSTANTS,
    }
