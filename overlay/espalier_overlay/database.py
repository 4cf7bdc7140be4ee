"""From a PostgreSQL URL and the project's own `DATABASES["default"]` to the one that runs."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

POSTGRESQL = "django.db.backends.postgresql"
POSTGIS = "django.contrib.gis.db.backends.postgis"

# What a project says about how it uses a database, whichever kind it is.
KEPT = ("ATOMIC_REQUESTS", "AUTOCOMMIT", "TEST", "TIME_ZONE")
# What makes sense only between two PostgreSQL databases.
KEPT_FROM_POSTGRESQL = ("CONN_HEALTH_CHECKS", "CONN_MAX_AGE", "DISABLE_SERVER_SIDE_CURSORS")
# Options that say where the database is: the URL says it.
PLACES = ("service", "passfile", "host", "hostaddr", "port", "dbname", "user", "password")

CONN_MAX_AGE = 600  # seconds
CONNECT_TIMEOUT = 5  # seconds; libpq's default is to wait for as long as TCP does


def parse_url(url: str) -> dict[str, Any]:
    """Return ENGINE, NAME, USER, PASSWORD, HOST, PORT (all str) and OPTIONS (a dict of str).

    Args:
        url: `postgresql://user:password@host:port/name?option=value`, each part percent-encoded;
            a host such as `%2Frun%2Fpostgresql` is a socket directory.

    Raises:
        ImproperlyConfigured: it is no such URL. The message never repeats it: it has a password.
    """
    expected = (
        "ESPALIER_DATABASE_URL, in the machine's environment file, {problem}. Write "
        "postgresql://user:password@host:port/name, each part percent-encoded; "
        "a socket directory as host is written like %2Frun%2Fpostgresql."
    )
    try:
        parts = urlsplit(url)
    except ValueError:
        raise ImproperlyConfigured(expected.format(problem="is not a URL")) from None
    if parts.scheme not in ("postgresql", "postgres"):
        problem = f"begins with {parts.scheme!r}, which is not PostgreSQL"
        raise ImproperlyConfigured(expected.format(problem=problem))
    name = unquote(parts.path.removeprefix("/"))
    if not name or "/" in name or parts.fragment:
        problem = "does not end in a database name (or has an unencoded /, # or ? before it)"
        raise ImproperlyConfigured(expected.format(problem=problem))
    credentials, _, address = parts.netloc.rpartition("@")
    user, _, password = credentials.partition(":")
    # Not parts.hostname: it lower-cases, and a directory's name may hold capitals.
    if address.startswith("["):
        host, _, port = address[1:].partition("]")
        port = port.removeprefix(":")
    else:
        host, _, port = address.partition(":")
    if port and not port.isdecimal():
        problem = "has a port that is no number (or an unencoded : or @ in the password)"
        raise ImproperlyConfigured(expected.format(problem=problem))
    return {
        "ENGINE": POSTGRESQL,
        "NAME": name,
        "USER": unquote(user),
        "PASSWORD": unquote(password),
        "HOST": unquote(host),
        "PORT": port,
        "OPTIONS": dict(parse_qsl(parts.query)),
    }


def default_database(
    own: Mapping[str, Any], given: Mapping[str, Any], *, persistent: bool = True
) -> dict[str, Any]:
    """Return the `DATABASES["default"]` that runs.

    Args:
        own: the project's entry, of any engine; may be empty.
        given: what `parse_url` returned.
        persistent: keep connections between requests. Under ASGI, Django cannot reuse a
            connection that an earlier request left open, so there each one would leak.
    """
    engine = str(own.get("ENGINE") or "")
    same_family = is_postgresql(engine)
    kept = KEPT + (KEPT_FROM_POSTGRESQL if same_family else ())
    options = {
        "application_name": "django",
        "connect_timeout": CONNECT_TIMEOUT,
        **(_without_places(own.get("OPTIONS") or {}) if same_family else {}),
        **given["OPTIONS"],
    }
    # Django refuses persistent connections on top of its own pool.
    keep_open = persistent and not options.get("pool")
    return {
        "CONN_MAX_AGE": CONN_MAX_AGE if keep_open else 0,
        "CONN_HEALTH_CHECKS": True,
        **{key: own[key] for key in kept if key in own},
        **given,
        "ENGINE": engine if same_family else _counterpart(engine),
        "OPTIONS": options,
    }


def is_postgresql(engine: str) -> bool:
    """Tell whether an ENGINE talks to PostgreSQL: Django's, PostGIS, and the wrappers of both."""
    return "postg" in engine or "psql" in engine


def _counterpart(engine: str) -> str:
    """Return the PostgreSQL engine for a project that is developed on another database."""
    return POSTGIS if ".gis." in engine else POSTGRESQL


def _without_places(options: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in options.items() if key not in PLACES}
