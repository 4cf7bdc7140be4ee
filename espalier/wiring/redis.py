"""What Django is told of redis: the cache, and the queue beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from espalier.inventory.model import Link

VARIABLES = {"cache": "ESPALIER_CACHE_URL", "jobs": "ESPALIER_QUEUE_URL"}
QUEUE = VARIABLES["jobs"]


def redis_environment(
    links: Mapping[str, Sequence[Link]], user: str, password: str
) -> dict[str, str]:
    """Return the environment variables with the URLs of the cache and of the queue.

    Args:
        links: those that go out from Django on this machine, by purpose.
        user: the only user of both.
        password: of that user; not used where no link leads to redis.
    """
    found = {
        variable: _url(links[purpose][0], user, password)
        for purpose, variable in VARIABLES.items()
        if links.get(purpose)
    }
    if QUEUE in found:  # in parts, too, for a project whose settings read it so
        link = links["jobs"][0]
        found |= {
            "ESPALIER_QUEUE_HOST": link["address"],
            "ESPALIER_QUEUE_PORT": str(link["port"]),
            "ESPALIER_QUEUE_USER": user,
            "ESPALIER_QUEUE_PASSWORD": password,
        }
    return found


def project_environment(environment: Mapping[str, Any], redis: Mapping[str, str]) -> dict[str, Any]:
    """Return the variables that project.yml sets; a text may name the queue as a shell would.

    Args:
        environment: the key `environment` of project.yml.
        redis: what `redis_environment` returned; without a queue its name stands for nothing.
    """
    queue = redis.get(QUEUE, "")
    return {
        name: value.replace(f"${QUEUE}", queue) if isinstance(value, str) else value
        for name, value in environment.items()
    }


def _url(link: Link, user: str, password: str) -> str:
    address = link["address"]
    host = f"[{address}]" if ":" in address else address
    secret = quote(password, safe="")
    return f"redis://{quote(user)}:{secret}@{host}:{link['port']}/0"
