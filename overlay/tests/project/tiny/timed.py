"""Settings of pages that take time in several places, for the tests of timing."""

from tiny.elsewhere import *  # noqa: F403

CACHES = {
    "default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"},
    "table": {"BACKEND": "django.core.cache.backends.db.DatabaseCache", "LOCATION": "kept"},
    "broken": {"BACKEND": "notes.timed.BrokenCache"},
    "absent": {"BACKEND": "nowhere.Cache"},
}
ROOT_URLCONF = "tiny.timed_urls"
