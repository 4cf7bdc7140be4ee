"""The settings module that runs: the project's settings, then `apply` with the environment.

This file stays a shell, so that what can be reasoned about (`apply`) is a pure function. An error
in the project's settings leaves here as it is, with the project's own traceback.
"""

import importlib
import importlib.util
import os
import sys

from django.core.exceptions import ImproperlyConfigured

from espalier_overlay.apply import apply

_name = os.environ.get("ESPALIER_SETTINGS", "")
if _name in ("", __name__):
    raise ImproperlyConfigured(
        f"ESPALIER_SETTINGS is {_name!r}, but it must name the project's own settings module. "
        "Set it in the release's release.env (for example ESPALIER_SETTINGS=mysite.settings), "
        "or turn the overlay off and set DJANGO_SETTINGS_MODULE to the project's module."
    )
# django-configurations keeps settings in classes: its own loader makes a module's of one.
_configuration = os.environ.get("DJANGO_CONFIGURATION", "")
if _configuration and importlib.util.find_spec("configurations"):
    from configurations import importer

    importer.install()
    _loader = importer.ConfigurationLoader(_configuration, importlib.util.find_spec(_name))
    _project = _loader.load_module(_name)

    class _Applied:
        """What the importer sets up where it loads this module: nothing is left to do."""

        pre_setup = setup = post_setup = staticmethod(lambda: None)

    globals()[_configuration] = _Applied
else:
    _project = importlib.import_module(_name)

_environ = dict(os.environ)
# An ASGI application imports django.core.asgi before anything reads a setting; nothing else does.
if "django.core.asgi" in sys.modules:
    _environ.setdefault("ESPALIER_INTERFACE", "asgi")

globals().update(
    apply({name: getattr(_project, name) for name in dir(_project) if name.isupper()}, _environ)
)
