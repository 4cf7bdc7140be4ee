# Run by `release` in a new release: prints, as JSON, what its settings say about static files and
# about SQLite.
# Where they do not load, it prints which variables the project's code looked up in vain before.
import importlib
import json
import linecache
import os
import sys

CODE = os.path.realpath(sys.argv[1])
MARK = "espalier-missed: "
missed = {}


class Recorder(type(os.environ)):
    """The environment, which notes what is looked up in vain, and by which line of the project."""

    def __getitem__(self, name):
        try:
            return super().__getitem__(name)
        except KeyError:
            note(name)
            raise

    def get(self, name, default=None):
        try:
            return super().__getitem__(name)
        except KeyError:
            if default is None:  # with a default, no variable is missed
                note(name)
            return default


def note(name):
    frame, found = sys._getframe(2), None
    while frame:
        file = frame.f_code.co_filename
        if "importlib._bootstrap" in file:
            break  # what is looked up below is a library's own, while it is imported
        if not file.startswith("<") and os.path.realpath(file).startswith(CODE + os.sep):
            found = frame
            if frame.f_code.co_name == "<module>":
                break  # what calls the project's helper says more than the helper
        frame = frame.f_back
    if found:
        file = found.f_code.co_filename
        where = f"{os.path.relpath(os.path.realpath(file), CODE)} line {found.f_lineno}"
        missed.pop(name, None)  # the last one is the likeliest
        missed[name] = (where, linecache.getline(file, found.f_lineno).strip())


def fields(error):
    """The variables of pydantic's settings that are missing: it tells all of them at once."""
    errors = getattr(error, "errors", None)
    if type(error).__name__ != "ValidationError" or not callable(errors):
        return
    prefix, trace = "", error.__traceback__
    while trace:
        for name in ("self", "__pydantic_self__"):
            config = getattr(trace.tb_frame.f_locals.get(name), "model_config", None)
            prefix = (config or {}).get("env_prefix", prefix)
        trace = trace.tb_next
    for one in errors():
        if "missing" in one["type"] and one["loc"]:
            name = str(one["loc"][0])
            known = name if name.isupper() else (prefix + name).upper()
            missed.setdefault(known, ("", str(error).splitlines()[0]))


os.environ.__class__ = Recorder
try:
    from django.conf import settings

    settings.INSTALLED_APPS
    if sys.argv[2:] != ["--settings"]:
        import django

        django.setup()
except BaseException as error:
    fields(error)
    print(MARK + json.dumps([[name, *told] for name, told in missed.items()]))
    raise

from django.apps import apps

if apps.ready:
    own = importlib.import_module(os.environ["ESPALIER_SETTINGS"])
    root = getattr(settings, "STATIC_ROOT", None)
    # Where a project keeps what it has collected; code is never static files.
    shipped = os.path.realpath(getattr(own, "STATIC_ROOT", None) or "/") + os.sep
    places = (os.path.realpath(sys.prefix) + os.sep, CODE + os.sep)
    code = (os.path.realpath(own.__file__), os.getcwd() + os.sep)
    if not shipped.startswith(places) or any(path.startswith(shipped) for path in code):
        shipped = ""
    databases = settings.DATABASES.values()
    files = [str(one.get("NAME")) for one in databases if "sqlite" in one.get("ENGINE", "")]
    compressor = apps.is_installed("compressor")
    found = {
        "staticfiles": apps.is_installed("django.contrib.staticfiles"),
        "static_root": str(root) if root else "",
        "shipped": shipped,
        "sqlite": [os.path.abspath(name) for name in files if not name.startswith(("file:", ":"))],
        "log_files": list(getattr(settings, "ESPALIER_LOG_FILES", ())),
        "compress": bool(compressor and settings.COMPRESS_ENABLED and settings.COMPRESS_OFFLINE),
    }
    print()
    print(json.dumps(found))
