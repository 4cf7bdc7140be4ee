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
# A replica is one of several: found dead sooner, be it a process, a machine or a cable.
REPLICA_OPTIONS = {
    "connect_timeout": 2,  # seconds; libpq takes no less
    "keepalives_idle": 5,  # seconds
    "keepalives_interval": 2,  # seconds
    "keepalives_count": 2,
    "tcp_user_timeout": 5000,  # milliseconds
}
CONNECT_TIMEOUT = 5  # seconds; libpq's default is to wait for as long as TCP does
POOL_TIMEOUT = 10  # seconds that a request may wait for a connection of a full pool
# Engines that are known to find a pooled connection as they need it: those that remember what they
# set on a connection (such as a tenant's search_path) would take another request's for it.
POOLED_ENGINES = (POSTGRESQL, POSTGIS)


def parse_url(url: str, variable: str = "ESPALIER_DATABASE_URL") -> dict[str, Any]:
    """Return ENGINE, NAME, USER, PASSWORD, HOST, PORT (all str) and OPTIONS (a dict of str).

    Args:
        url: `postgresql://user:password@host:port/name?option=value`, each part percent-encoded;
            a host such as `%2Frun%2Fpostgresql` is a socket directory.
        variable: where it was written, for the message.

    Raises:
        ImproperlyConfigured: it is no such URL. The message never repeats it: it has a password.
    """
    expected = (
        variable + ", in the machine's environment file, {problem}. Write "
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
    own: Mapping[str, Any],
    given: Mapping[str, Any],
    *,
    persistent: bool = True,
    pool_size: int = 0,
) -> dict[str, Any]:
    """Return the `DATABASES["default"]` that runs.

    Args:
        own: the project's entry, of any engine; may be empty.
        given: what `parse_url` returned.
        persistent: keep connections between requests. Under ASGI, Django cannot reuse a
            connection that an earlier request left open, so there each one would leak.
        pool_size: the most connections that a process holds, in Django's own pool (5.1 or later);
            0 leaves the pool to the project. Under ASGI every request under way runs in a thread
            of its own, so nothing else bounds them.
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
    engine = engine if same_family else _counterpart(engine)
    if pool_size and engine in POOLED_ENGINES:
        pool = {"min_size": 1, "max_size": pool_size, "timeout": POOL_TIMEOUT}
        options.setdefault("pool", pool)
        kept = tuple(key for key in kept if key != "CONN_MAX_AGE")
    # Django refuses persistent connections on top of its own pool.
    keep_open = persistent and not options.get("pool")
    return {
        "CONN_MAX_AGE": CONN_MAX_AGE if keep_open else 0,
        "CONN_HEALTH_CHECKS": True,
        **{key: own[key] for key in kept if key in own},
        **given,
        "ENGINE": engine,
        "OPTIONS": options,
    }


def parse_replicas(text: str) -> dict[str, dict[str, Any]]:
    """Return, by alias, what `parse_url` returns for each `name=URL` of ESPALIER_REPLICA_URLS.

    Raises:
        ImproperlyConfigured: an entry is not of that form.
    """
    replicas = {}
    for entry in text.split():
        name, equals, url = entry.partition("=")
        if not equals or "/" in name:
            raise ImproperlyConfigured(
                "ESPALIER_REPLICA_URLS, in the machine's environment file, has an entry without a "
                "name. Write name=postgresql://user:password@host:port/name, separated by spaces."
            )
        # Prefixed, so that a project's own alias of the same name stays its own.
        replicas[f"espalier_{name}"] = parse_url(url, "ESPALIER_REPLICA_URLS")
    return replicas


def replica_database(default: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the entry of a read replica: used as `default` is, but where `given` says.

    Args:
        default: what `default_database` returned.
        given: what `parse_url` returned.
    """
    options = {**default["OPTIONS"], **REPLICA_OPTIONS, **given["OPTIONS"]}
    # Django would open a transaction there for every request.
    kept = {key: value for key, value in default.items() if key != "ATOMIC_REQUESTS"}
    return {
        **kept,
        **given,
        "ENGINE": default["ENGINE"],
        "OPTIONS": options,
        "TEST": {"MIRROR": "default"},
    }


def pooled(database: Mapping[str, Any], *, prepared: bool) -> dict[str, Any]:
    """Return the entry for a connection through a pool in transaction mode.

    There, what one transaction leaves in its session is not there for the next one.

    Args:
        database: what `default_database` or `replica_database` returned.
        prepared: whether the pool tracks prepared statements (pgbouncer 1.21 or later).

    Raises:
        ImproperlyConfigured: the project sets its sessions up in a way that cannot work there.
    """
    options = dict(database["OPTIONS"])
    for option in ("options", "assume_role"):
        if options.get(option):
            raise ImproperlyConfigured(
                f"DATABASES['default']['OPTIONS'][{option!r}] of the project's settings sets up "
                "each session, but with the tier pgbouncer transactions share sessions. Give it to "
                "the database instead (ALTER DATABASE … SET search_path = …) and take it out of "
                "the settings, or take pgbouncer out of `tiers` in hosts.yml."
            )
    if not prepared:
        options.pop("prepare_threshold", None)  # Django's own default then, which is never
    return {**database, "DISABLE_SERVER_SIDE_CURSORS": True, "OPTIONS": options}


def is_postgresql(engine: str) -> bool:
    """Tell whether an ENGINE talks to PostgreSQL: Django's, PostGIS, and the wrappers of both."""
    return "postg" in engine or "psql" in engine


def _counterpart(engine: str) -> str:
    """Return the PostgreSQL engine for a project that is developed on another database."""
    return POSTGIS if ".gis." in engine else POSTGRESQL


def _without_places(options: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in options.items() if key not in PLACES}
