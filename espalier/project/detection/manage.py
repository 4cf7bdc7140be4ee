"""Where manage.py is."""

from __future__ import annotations

import posixpath
import re

from espalier.project.detection.tree import (
    SECONDARY_DIRECTORIES,
    Found,
    ProjectTree,
    is_foreign,
    nearest,
)
from espalier.project.errors import ProjectError
from espalier.project.schema import Project
from espalier.project.words import listed


def find_manage(project: Project, tree: ProjectTree) -> Found:
    """The directory of manage.py: stated, the only one, or that in the root.

    Where there is none in the root, those of test beds and examples are left aside.
    """
    virtualenvs = [posixpath.dirname(p) + "/" for p in tree.paths if p.endswith("/pyvenv.cfg")]
    found = [
        path
        for path in sorted(tree.paths, key=nearest)
        if posixpath.basename(path) == "manage.py"
        and not is_foreign(path)
        and not path.startswith(tuple(virtualenvs))
    ]
    directories = [posixpath.dirname(path) or "." for path in found]
    if project.path is not None:
        if (project.path or ".") in directories:
            return Found(project.path, "project.path")
        hint = f"there is one in {listed(directories)}" if found else "there is none anywhere"
        raise ProjectError(
            f'{tree.where}: project.path: there is no manage.py in "{project.path or "."}": {hint}.'
        )
    if not found:
        raise ProjectError(
            f"{tree.where}: no manage.py was found in the project, so it is no Django project, or "
            "only a part of one: check `directory:` or `git:`."
        )

    def secondary(path: str) -> bool:
        others = [other for other in found if other != path and other.count("/") <= path.count("/")]
        return is_aside(path) and any(
            not is_aside(other) or other.count("/") < path.count("/") for other in others
        )

    kept = [path for path in found if not secondary(path)]
    kept = [path for path in kept if path == "manage.py"] or kept
    if len(kept) > 1:
        choices = listed(posixpath.dirname(path) or "." for path in kept)
        raise ProjectError(
            f"{tree.where}: the project has several manage.py, in {choices}: write `path:` with "
            "the directory of the one to deploy."
        )
    return Found(
        posixpath.dirname(kept[0]), "the only one" if len(found) == 1 else "nearest the root"
    )


def find_imported(tree: ProjectTree) -> tuple[str, ...]:
    """Directories beside manage.py that Python imports from, too: what it says, and `src`.

    `src` is one where it has packages and is none itself, as an installed project has it.
    """
    text = tree.read(posixpath.join(tree.root, "manage.py"))
    named = [
        word
        for arguments in re.findall(r"sys\.path\.(?:append|insert)\((.*)", text)
        for word in re.findall(r"""["']\.?/?([\w./-]+)["']""", arguments)
    ]
    src = posixpath.join(tree.root, "src")
    packages = {path.removeprefix(f"{src}/") for path in tree.paths if path.startswith(f"{src}/")}
    if "__init__.py" not in packages and any(
        re.fullmatch(r"[^/]+/__init__\.py", path) for path in packages
    ):
        named.append("src")
    found = [posixpath.normpath(posixpath.join(tree.root, name)) for name in named]
    below = [one for one in found if any(path.startswith(f"{one}/") for path in tree.paths)]
    return tuple(dict.fromkeys(one for one in below if one not in (tree.root, ".")))


def is_aside(path: str) -> bool:
    """Whether a file lies in a directory of tests, examples or templates."""
    return bool(SECONDARY_DIRECTORIES & set(path.lower().split("/")))
