"""Settings with a database in a file that the environment names, for tests that write."""

import os

from tiny.settings import *  # noqa: F403

DATABASES = {
    "default": {"ENGINE": "django.db.backends.sqlite3", "NAME": os.environ["TINY_DATABASE"]}
}
