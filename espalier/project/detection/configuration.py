"""The class that holds the settings, where django-configurations is in use."""

from __future__ import annotations

import re

from espalier.project.detection.candidates import DEPLOYMENT, is_for_development
from espalier.project.detection.tree import Found, ProjectTree, is_foreign, nearest
from espalier.project.schema import Project

_VARIABLE = "DJANGO_CONFIGURATION"
_NAMED = re.compile(rf"{_VARIABLE}[\"']?\]?\s*[:=,]?\s*[\"']?([A-Za-z_]\w*)")


def find_configuration(project: Project, tree: ProjectTree) -> Found | None:
    """The class that deployment files, wsgi.py, asgi.py or manage.py name; None for none.

    One for production goes before one for development. The user's own variable needs no detection.
    """
    if _VARIABLE in project.environment:
        return None
    deployed = [path for path in sorted(tree.paths, key=nearest) if DEPLOYMENT.fullmatch(path)]
    deployed = [path for path in deployed if not is_foreign(path)]
    named = []
    for path in [*deployed, *tree.named("wsgi.py", "asgi.py", "manage.py")]:
        text = tree.read(path)
        for match in _NAMED.finditer(text):
            line = text.count("\n", 0, match.start()) + 1
            named.append(Found(match[1], f"{path} line {line}"))
    return min(named, key=lambda one: is_for_development(one.value), default=None)
