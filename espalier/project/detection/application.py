"""The WSGI or ASGI application, and the server that runs it."""

from __future__ import annotations

import posixpath
import re

from espalier.project.detection.locks import LOCKS, manifest_of, read_toml
from espalier.project.detection.settings import listed_apps, settings_files
from espalier.project.detection.tree import Found, ProjectTree, refuse_unknown_module
from espalier.project.errors import ProjectError
from espalier.project.rules.basics import DOTTED
from espalier.project.schema import Project

# Apps that come with Django's WebSockets.
CHANNELS = ("channels", "daphne")


def find_application(
    project: Project, tree: ProjectTree, settings: str, requirements: str
) -> tuple[Found, str]:
    """The application, and its interface: "wsgi" or "asgi"."""
    stated = {
        kind: _stated_application(tree, settings, f"{kind.upper()}_APPLICATION")
        for kind in ("wsgi", "asgi")
    }
    if project.application:
        module = project.application.partition(":")[0]
        refuse_unknown_module(module, "application", tree)
        of_settings = stated["asgi"].value if stated["asgi"] else ""
        is_asgi = project.application == of_settings or "asgi" in module.rpartition(".")[2]
        interface = "asgi" if is_asgi else "wsgi"
        return Found(project.application, "project.application"), interface
    found = {kind: stated[kind] or _application_file(tree, settings, kind) for kind in stated}
    channels = _mentions_channels(tree, settings, requirements)
    if (asgi := found["asgi"]) and channels:
        return Found(asgi.value, f"{asgi.where}; {channels}"), "asgi"
    for kind, application in found.items():
        if application:
            return application, kind
    raise ProjectError(
        f"{tree.where}: the project has neither a wsgi.py nor an asgi.py with an `application`: "
        "write `application:`, for example `application: mysite.wsgi:application`."
    )


def _stated_application(tree: ProjectTree, settings: str, name: str) -> Found | None:
    """What the settings say in WSGI_APPLICATION or ASGI_APPLICATION, if that module exists."""
    for path in settings_files(tree, settings):
        text = tree.read(path)
        match = re.search(rf"(?m)^{name}\s*=\s*['\"]({DOTTED})\.([A-Za-z_]\w*)['\"]", text)
        if match and tree.module(match[1]):
            line = text.count("\n", 0, match.start()) + 1
            return Found(f"{match[1]}:{match[2]}", f"{name}, {path} line {line}")
    return None


def _application_file(tree: ProjectTree, settings: str, kind: str) -> Found | None:
    """The wsgi.py or asgi.py, or a package of that name, that lies nearest to the settings."""
    files = [
        path
        for path in tree.named(f"{kind}.py", "__init__.py")
        if tree.dotted(path).rpartition(".")[2] == kind
    ]
    package = settings.split(".")

    def shared(path: str) -> int:
        pairs = zip(tree.dotted(path).split("."), package, strict=False)
        return next((i for i, (a, b) in enumerate(pairs) if a != b), len(package))

    for path in sorted(files, key=lambda path: -shared(path)):
        if re.search(
            r"(?m)^\s*(application\b.*=|from .* import .*\bapplication\b)", tree.read(path)
        ):
            return Found(f"{tree.dotted(path)}:application", path)
    return None


def find_server(
    project: Project, tree: ProjectTree, settings: str, requirements: str, interface: str
) -> Found:
    """What runs the application, with a reason where it is not the usual gunicorn."""
    if project.server:
        return Found(project.server, "project.server")
    # The others cut WebSockets when a release is switched, gunicorn after a minute's wait.
    channels = _mentions_channels(tree, settings, requirements) if interface == "asgi" else ""
    if channels:
        return Found("uvicorn", f"{channels}: it closes WebSockets")
    return Found("gunicorn", "")


def _mentions_channels(tree: ProjectTree, settings: str, requirements: str) -> str:
    """Where Channels or Daphne is in use, in words, or ""."""
    for path in settings_files(tree, settings):
        if app := next((one for one in listed_apps(tree.read(path)) if one in CHANNELS), ""):
            return f"{path} uses {app}"
    required = r"(?im)(?:^\s*|['\"])(channels|daphne)(?=[\[<>=~!;,'\"\s]|$)"
    where, text = _installed_always(tree, requirements)
    match = re.search(required, text)
    return f"{where} has {match[1]}" if match else ""


def _installed_always(tree: ProjectTree, requirements: str) -> tuple[str, str]:
    """The file that states the requirements, and its lines without those of groups and extras."""
    if posixpath.basename(requirements) in LOCKS:
        requirements = manifest_of(requirements) or requirements
    if requirements not in tree.paths:
        return requirements, ""
    if posixpath.basename(requirements) == "Pipfile":
        return requirements, "\n".join(read_toml(tree, requirements).get("packages", {}))
    if posixpath.basename(requirements) != "pyproject.toml":
        return requirements, tree.read(requirements)
    stated = read_toml(tree, requirements)
    poetry = stated.get("tool", {}).get("poetry", {}).get("dependencies", {})
    return requirements, "\n".join([*stated.get("project", {}).get("dependencies", ()), *poetry])
