"""What Django is told of its databases: the primary, replicas, and a pool in front of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypedDict
from urllib.parse import quote, unquote, urlsplit

from espalier.inventory.model import Link
from espalier.wiring.authority import TRUSTED

# Of the links that go out from Django, in the order in which their URLs are given.
PURPOSES = ("queries", "reads", "migrations")
# Seconds that a replica may be behind before it is not read from.
REPLICA_MAX_LAG = 10


# Django's logins take turns, so that the password of one is changed while nobody uses it. Both act
# as the owner of the database, which is also the first of them.
LOGINS = ("first", "second")


class Database(TypedDict):
    """A database that Django may ask: what for, on which machine, by which URL."""

    purpose: str
    machine: str
    url: str


def database_logins(project: str) -> list[str]:
    """Return the roles that Django may log in as, in the order of `LOGINS`.

    Args:
        project: name of the database, and of the role that owns it.
    """
    return [project, f"espalier_login_{project}"]


def database_user(project: str, login: str) -> str:
    """Return the role that Django logs in as.

    Raises:
        ValueError: `login` is none of `LOGINS`.
    """
    if login not in LOGINS:
        raise ValueError(
            f"database_login is {login!r}: write first or second, whichever the password is of "
            "(vault_database_login in the inventory, or the file .secrets/database_login)."
        )
    return database_logins(project)[LOGINS.index(login)]


def databases(
    links: Mapping[str, Sequence[Link]], project: str, user: str, password: str
) -> list[Database]:
    """Return the databases that Django on this machine may ask.

    Args:
        links: those that go out from Django on this machine, by purpose.
        project: name of the database.
        user: the role that Django logs in as.
        password: of that role.
    """
    return [
        {
            "purpose": purpose,
            "machine": link["target"]["machine"],
            "url": _url(link, project, user, password),
        }
        for purpose in PURPOSES
        for link in links.get(purpose, ())
    ]


def database_environment(
    found: Sequence[Database],
    pooled: bool,
    prepared_statements: bool,
    more: Sequence[str] = (),
) -> dict[str, str]:
    """Return the environment variables with the databases' URLs, and what a pool allows.

    Args:
        found: what `databases` returned.
        pooled: whether pgbouncer stands in front of them.
        prepared_statements: whether that pgbouncer keeps track of prepared statements.
        more: other databases of the site, which are asked past the pool.
    """
    queries = next(one["url"] for one in found if one["purpose"] == "queries")
    direct = next((one["url"] for one in found if one["purpose"] == "migrations"), queries)
    replicas = [f"{one['machine']}={one['url']}" for one in found if one["purpose"] == "reads"]
    environment = {
        "ESPALIER_DATABASE_URL": queries,
        # For a project that reads its settings from the environment itself, and so knows nothing
        # of a pool's rules.
        "DATABASE_URL": direct,
        **_parts(direct),
    }
    for name in more:
        url = urlsplit(direct)._replace(path=f"/{name}").geturl()
        environment[f"ESPALIER_DATABASE_{name.upper()}_URL"] = url
    if replicas:
        environment["ESPALIER_REPLICA_URLS"] = " ".join(replicas)
        environment["ESPALIER_REPLICA_MAX_LAG"] = str(REPLICA_MAX_LAG)
    if pooled:
        environment["ESPALIER_DIRECT_DATABASE_URL"] = direct
        environment["ESPALIER_POOLER"] = "transaction"
        if prepared_statements:
            environment["ESPALIER_PREPARED_STATEMENTS"] = "1"
    return environment


def _parts(url: str) -> dict[str, str]:
    """Return the same place in parts, for a project whose settings read it so."""
    found = urlsplit(url)
    # Not found.hostname, which is in lower case: a directory's name may hold capitals.
    host, _, port = found.netloc.rpartition("@")[2].rpartition(":")
    return {
        "ESPALIER_DATABASE_HOST": unquote(host),
        "ESPALIER_DATABASE_PORT": port,
        "ESPALIER_DATABASE_NAME": found.path.removeprefix("/"),
        "ESPALIER_DATABASE_USER": unquote(found.username or ""),
        "ESPALIER_DATABASE_PASSWORD": unquote(found.password or ""),
    }


def _url(link: Link, project: str, user: str, password: str) -> str:
    """Return a URL as psycopg and Django read it; a socket's directory stands in it as the host."""
    address = link["address"]
    # Inside the machine nothing travels over a network.
    tls = "" if address.startswith("/") else f"?sslmode=verify-full&sslrootcert={TRUSTED}"
    secret, host = quote(password, safe=""), quote(address, safe="")
    return f"postgresql://{user}:{secret}@{host}:{link['port']}/{project}{tls}"
