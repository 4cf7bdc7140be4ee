"""Whether the directories that the project is to write to can be what they are said to be."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator

from espalier.project.detection.tree import ProjectTree
from espalier.project.errors import ProjectError
from espalier.project.schema import Project
from espalier.project.words import note
from espalier_machine.common.forms import DATA


def writable_notes(project: Project, tree: ProjectTree) -> Iterator[str]:
    """A line for each directory inside of the tree.

    Raises:
        ProjectError: it is a file, or holds code, which would stay that of the first release.
    """
    for path in project.writable_inside:
        above = [path, *_parents(path)]
        if file := next((one for one in above if one in tree.paths), ""):
            folder = posixpath.dirname(file)
            hint = (
                f"write `writable: [{folder}]`, the directory that the file is in"
                if folder
                else "have the project keep the file in a directory of its own, such as data, and "
                "write `writable: [data]`"
            )
            raise ProjectError(
                f"{tree.where}: project.writable: {file} is a file, and only a whole directory can "
                f"be written to (a database makes files beside its own): {hint}."
            )
        code = [
            one
            for one in sorted(tree.paths)
            if one.startswith(f"{path}/")
            and posixpath.basename(one) in ("__init__.py", "manage.py")
        ]
        if code:
            raise ProjectError(
                f"{tree.where}: project.writable: {path} holds code ({code[0]}), which would stay "
                "that of the first release: write the directory below it that the project writes."
            )
        where = f"/srv/{project.name}/{DATA}/{path}"
        yield note("writable", f"{path} is {where}, which every app machine has of its own")


def _parents(path: str) -> Iterator[str]:
    while path := posixpath.dirname(path):
        yield path
