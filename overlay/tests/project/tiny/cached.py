"""Settings whose cache is a table of the database."""

from tiny.elsewhere import *  # noqa: F403

CACHES = {"default": {"BACKEND": "django.core.cache.backends.db.DatabaseCache", "LOCATION": "kept"}}
