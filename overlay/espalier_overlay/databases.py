"""The databases of the machine's environment, in place of those of the project's settings."""

from collections.abc import Mapping
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from espalier_overlay.apps import add_apps, is_installed
from espalier_overlay.database import (
    POSTGIS,
    POSTGRESQL,
    default_database,
    parse_replicas,
    parse_url,
    pooled,
    replica_database,
)

ROUTER = "espalier_overlay.router.Router"
GIS = "django.contrib.gis"


def apply_databases(
    settings: dict[str, Any], environ: Mapping[str, str], django_version: tuple[Any, ...]
) -> None:
    """Put the machine's database, its replicas with their router, and others into the settings."""
    url = environ.get("ESPALIER_DATABASE_URL")
    if not url:
        return
    is_asgi = environ.get("ESPALIER_INTERFACE") == "asgi"
    can_pool = is_asgi and django_version >= (5, 1)
    databases = settings.get("DATABASES") or {}
    own = databases.get("default") or {}
    if own.get("ENGINE") == POSTGRESQL and is_installed(settings, GIS):
        # The project took the machine's DATABASE_URL, which knows nothing of maps.
        own = {**own, "ENGINE": POSTGIS}
    default = default_database(
        own,
        parse_url(url),
        persistent=not is_asgi,
        pool_size=int(environ.get("ESPALIER_DATABASE_CONNECTIONS") or 0) if can_pool else 0,
    )
    replicas = {
        alias: replica_database(default, given)
        for alias, given in parse_replicas(environ.get("ESPALIER_REPLICA_URLS") or "").items()
    }
    ours = {"default": default, **replicas}
    if environ.get("ESPALIER_POOLER") == "transaction":
        prepared = environ.get("ESPALIER_PREPARED_STATEMENTS") == "1"
        ours = {alias: pooled(entry, prepared=prepared) for alias, entry in ours.items()}
    settings["DATABASES"] = {**databases, **_more(databases, environ, is_asgi), **ours}
    if replicas:
        settings["ESPALIER_REPLICAS"] = tuple(replicas)
        settings["ESPALIER_REPLICA_MAX_LAG"] = _max_lag(environ)
        # Last: the project's own routers decide where they have an opinion.
        settings["DATABASE_ROUTERS"] = [*(settings.get("DATABASE_ROUTERS") or ()), ROUTER]
    # Wagtail and others use its lookups on PostgreSQL and only there, so projects that are
    # developed on SQLite leave it out. It has no models.
    add_apps(settings, ["django.contrib.postgres"])


def _more(
    databases: Mapping[str, Any], environ: Mapping[str, str], is_asgi: bool
) -> dict[str, dict[str, Any]]:
    """Return the project's other entries for which the machine names a database."""
    found = {}
    for alias, own in databases.items():
        variable = f"ESPALIER_DATABASE_{alias.upper()}_URL"
        if url := environ.get(variable):
            found[alias] = default_database(own, parse_url(url, variable), persistent=not is_asgi)
    return found


def _max_lag(environ: Mapping[str, str]) -> float:
    text = environ.get("ESPALIER_REPLICA_MAX_LAG") or "10"
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise ImproperlyConfigured(
            f"ESPALIER_REPLICA_MAX_LAG, in the machine's environment file, is {text!r}, but it is "
            "the number of seconds that a replica may be behind. Write 10, for example."
        )
    return seconds
