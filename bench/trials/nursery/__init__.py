"""A project to test on: the example orchard, with pages of which each can be made costly."""

from __future__ import annotations

import shutil
from pathlib import Path

from espalier.paths import KIT

NAME = "nursery"
_SETTINGS = """
# Added for the nursery.
import os

INSTALLED_APPS = [*INSTALLED_APPS, "nursery"]
NURSERY_REMOTE = os.environ.get("NURSERY_REMOTE", "http://127.0.0.1:8099")
if age := os.environ.get("NURSERY_CONN_MAX_AGE"):
    # The kit keeps this of a project that names PostgreSQL itself.
    DATABASES = {
        "default": {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": "nursery",
            "CONN_MAX_AGE": int(age),
        }
    }
"""
_URLS = """
urlpatterns += [path("", include("nursery.urls"))]
"""


def make_nursery(target: Path) -> Path:
    """Make the project anew in a directory, which is replaced; gives the directory."""
    shutil.rmtree(target, ignore_errors=True)
    left_out = shutil.ignore_patterns("__pycache__", "db.sqlite3", "media", "*.pyc")
    shutil.copytree(KIT / "examples/orchard", target, ignore=left_out)
    shutil.copytree(Path(__file__).parent / "app", target / "nursery", ignore=left_out)
    for name, more in (("settings.py", _SETTINGS), ("urls.py", _URLS)):
        file = target / "orchard" / name
        file.write_text(file.read_text() + more)
    return target
