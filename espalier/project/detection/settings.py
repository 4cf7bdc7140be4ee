"""Which settings module the project runs."""

from __future__ import annotations

import ast
import posixpath
import re

from espalier.project.detection.candidates import Candidate, rank
from espalier.project.detection.tree import Found, ProjectTree, refuse_unknown_module
from espalier.project.errors import ProjectError
from espalier.project.rules.basics import DOTTED
from espalier.project.schema import Project
from espalier.project.words import listed


def _named_settings(text: str) -> list[tuple[str, int]]:
    """Modules that a Python file names beside DJANGO_SETTINGS_MODULE, each with its line."""
    variable = "DJANGO_SETTINGS_MODULE"
    try:
        module = ast.parse(text)
    except (SyntaxError, ValueError):
        # Perhaps Python 2, or a newer Python than this one.
        pattern = rf"{variable}['\"]\]?\s*[,=]\s*['\"]({DOTTED})['\"]"
        matches = re.finditer(pattern, text)
        return [(match[1], text.count("\n", 0, match.start()) + 1) for match in matches]
    found: list[tuple[str, int]] = []
    for statement in ast.walk(module):
        if not isinstance(statement, ast.Expr | ast.Assign):
            continue
        words = [
            (node.value, node.lineno)
            for node in ast.walk(statement)
            if isinstance(node, ast.Constant) and isinstance(node.value, str)
        ]
        if variable in (word for word, _ in words):
            found += [w for w in words if w[0] != variable and re.fullmatch(DOTTED, w[0])]
    lines: dict[str, int] = {}
    for word, line in found:
        lines.setdefault(word, line)
    return list(lines.items())


def find_settings(project: Project, tree: ProjectTree) -> list[Candidate]:
    """The settings that a source tree may mean: the stated ones, else the likeliest first."""
    if project.settings:
        refuse_unknown_module(project.settings, "settings", tree)
        return [Candidate(project.settings, "project.settings")]
    manage = posixpath.join(tree.root, "manage.py")

    def named_in(*paths: str) -> list[Found]:
        return [
            Found(name, f"{path} line {line}")
            for path in paths
            for name, line in _named_settings(tree.read(path))
        ]

    by_hand = named_in(manage)
    typed = {one.value for one in by_hand}
    # Of several applications in the tree, the one of what developers run.
    named = sorted(
        named_in(*tree.named("wsgi.py", "asgi.py")), key=lambda one: one.value not in typed
    )
    named += by_hand
    is_absent = bool(named) and not any(tree.module(one.value) for one in named)
    if is_absent and not tree.has_package(named[0].value):
        refuse_unknown_module(named[0].value, "settings", tree)
        return [Candidate(named[0].value, named[0].where)]  # of an installed package
    # What is named may be out of git, as a developer's own; the others are still there.
    if candidates := rank(tree, named):
        return candidates
    if is_absent:
        refuse_unknown_module(named[0].value, "settings", tree)
    raise ProjectError(
        f"{tree.where}: {manage} does not say which settings module the project runs, and no "
        "module looks like one: write it, for example `settings: mysite.settings`."
    )


def find_package_settings(project: Project, tree: ProjectTree) -> Found:
    """The settings of a package: stated, named by an entry point, or the only ones that it has."""
    if project.settings:
        refuse_unknown_module(project.settings, "settings", tree)
        return Found(project.settings, "project.settings")
    for path in tree.named("wsgi.py", "asgi.py", "manage.py", "__main__.py"):
        for name, line in _named_settings(tree.read(path)):
            if tree.module(name):
                return Found(name, f"{path} line {line} of the package")
    likely = [
        path
        for path in tree.named("settings.py", "__init__.py")
        if tree.dotted(path).rpartition(".")[2] == "settings"
        and re.search(r"INSTALLED_APPS|ROOT_URLCONF", tree.read(path))
    ]
    if len(likely) == 1:
        return Found(tree.dotted(likely[0]), f"{likely[0]} of the package")
    name = project.package
    what = (
        f"has several settings modules, {listed(map(tree.dotted, likely))}"
        if likely
        else "has no settings module of its own (an app to add to a project, perhaps?)"
    )
    raise ProjectError(f"{tree.where}: the package {name} {what}: write `settings:`.")


def listed_apps(text: str) -> list[str]:
    """The texts in what a settings file puts into INSTALLED_APPS, or into a list named *_APPS."""
    try:
        module = ast.parse(text)
    except (SyntaxError, ValueError):
        # Perhaps Python 2, or a newer Python than this one.
        return re.findall(r"(?m)^[^#\n]*?['\"]([\w.]+)['\"]", text)
    found: list[str] = []
    for statement in ast.walk(module):
        if isinstance(statement, ast.Assign):
            names = statement.targets
        elif isinstance(statement, ast.AugAssign | ast.AnnAssign):
            names = [statement.target]
        elif isinstance(statement, ast.Call) and isinstance(statement.func, ast.Attribute):
            names = [statement.func.value]  # INSTALLED_APPS.append("…")
        else:
            continue
        if any(isinstance(name, ast.Name) and name.id.endswith("APPS") for name in names):
            found += [
                node.value
                for node in ast.walk(statement)
                if isinstance(node, ast.Constant) and isinstance(node.value, str)
            ]
    return found


def settings_files(tree: ProjectTree, settings: str) -> list[str]:
    """The file of the settings module, and of those that it imports with a star or includes."""
    found: list[str] = []
    waiting = [tree.module(settings)]
    while waiting and len(found) < 20:
        path = waiting.pop(0)
        if not path or path in found:
            continue
        found.append(path)
        text, dotted = tree.read(path), tree.dotted(path)
        package = dotted if path.endswith("/__init__.py") else dotted.rpartition(".")[0]
        for match in re.finditer(r"(?m)^\s*from\s+(\.*)([\w.]*)\s+import\s+\*", text):
            dots, name = match[1], match[2]
            parts = package.split(".")
            base = ".".join(parts[: len(parts) - len(dots) + 1]) if dots else ""
            waiting.append(tree.module(".".join(part for part in (base, name) if part)))
        if "split_settings" in text:
            for name in re.findall(r"""['"]([\w./*-]+\.py)['"]""", text):
                waiting += tree.beside(path, name)
    return found
