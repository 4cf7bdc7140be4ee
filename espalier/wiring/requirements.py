"""The Python packages that the kit adds to a project's own, by the server that runs it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from espalier.project.servers import REQUIREMENTS

ALWAYS = [
    "psycopg[binary]==3.3.9",
    "psycopg-pool==3.3.3",
    # Always, so that the tier redis changes the environment and not the release.
    "redis==8.1.0",
    # What a migration's statements do; only the release command asks it.
    "django-migration-linter==6.0.0",
]
OBJECT_STORE = ["django-storages[s3]==1.14.6"]


def kit_requirements(project: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return what is installed beside the project's own requirements, by the server that runs it.

    Args:
        project: what project.yml says; with `media_s3`, uploads go to an object store.
    """
    uploads = OBJECT_STORE if "media_s3" in project else []
    return {server: [*own, *ALWAYS, *uploads] for server, own in REQUIREMENTS.items()}
