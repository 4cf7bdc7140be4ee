# Run by `release` in a new release: prints, as JSON, what its settings say about static files and
# about SQLite.
import importlib
import json
import os
import sys

import django

django.setup()

from django.apps import apps
from django.conf import settings

own = importlib.import_module(os.environ["ESPALIER_SETTINGS"])
root = getattr(settings, "STATIC_ROOT", None)
shipped = os.path.realpath(getattr(own, "STATIC_ROOT", None) or "/")
if not shipped.startswith(os.path.realpath(sys.prefix) + "/"):
    shipped = ""
databases = [str(one.get("NAME")) for one in settings.DATABASES.values() if "sqlite" in one["ENGINE"]]
compressor = apps.is_installed("compressor")
found = {
    "staticfiles": apps.is_installed("django.contrib.staticfiles"),
    "static_root": str(root) if root else "",
    "shipped": shipped,
    "sqlite": [os.path.abspath(name) for name in databases if not name.startswith(("file:", ":"))],
    "compress": bool(compressor and settings.COMPRESS_ENABLED and settings.COMPRESS_OFFLINE),
}
print()
print(json.dumps(found))
