"""Parts of the requirements that have a name: dependency groups, extras, Pipenv's categories."""

from __future__ import annotations

import dataclasses
import posixpath
import re
from collections.abc import Iterable, Iterator
from typing import Any

from espalier.project.detection.locks import pipfile_lock, read_toml
from espalier.project.detection.requirements import groups_with_django, setup_cfg
from espalier.project.detection.tree import ProjectTree
from espalier.project.errors import ProjectError
from espalier.project.schema import Project
from espalier.project.words import listed, note

# Installed without being asked for: what else would they be for.
PRODUCTION = ("prod", "production", "deploy", "deployment")


@dataclasses.dataclass(frozen=True)
class Groups:
    """What is installed beside the main requirements, by the names that the project's files use."""

    extras: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """All of them, each once."""
        return tuple(dict.fromkeys(self.groups + self.extras))


def find_groups(project: Project, tree: ProjectTree, path: str, kind: str) -> Groups:
    """The groups that `groups:` names, or those that are there for production.

    Args:
        project: from `schema.check`.
        tree: the project's files.
        path: the file of the requirements.
        kind: its kind, from `find_requirements`.

    Raises:
        ProjectError: for a name that the project does not have.
    """
    known = _known(tree, path, kind)
    alone = groups_with_django(read_toml(tree, path)) if kind == "pyproject" else []
    start = f"{tree.where}: project.groups:"
    if project.groups is None:
        wanted: Iterable[str] = alone[:1]
        wanted = [*wanted, *(name for name in known.names if _same(name) in PRODUCTION)]
    else:
        wanted = project.groups
    if not known.names and project.groups and posixpath.basename(path) != "setup.py":
        hint = (
            "write its extras behind its name, as in `package: fruit[s3]`"
            if kind == "package"
            else "write another file as `requirements:`, or remove the key"
        )
        raise ProjectError(f"{start} {path or 'the package'} has no groups: {hint}.")
    extras: list[str] = []
    groups: list[str] = []
    for name in wanted:
        there = Groups(_named(name, known.extras), _named(name, known.groups))
        if posixpath.basename(path) == "setup.py":  # known once it is run
            there = Groups((name,))
        if not there.names:
            raise ProjectError(
                f'{start} {path} has no group or extra "{name}": there is {listed(known.names)}.'
            )
        extras += there.extras
        groups += there.groups
    return Groups(tuple(dict.fromkeys(extras)), tuple(dict.fromkeys(groups)))


def _known(tree: ProjectTree, path: str, kind: str) -> Groups:
    """Every group and extra that the files beside the requirements have."""
    if kind in ("requirements", "package"):
        return Groups()
    if kind == "Pipfile.lock":
        categories = pipfile_lock(tree, path).keys() - {"_meta", "default", "develop"}
        return Groups(groups=tuple(sorted(categories)))
    if kind == "pylock.toml":
        lock = read_toml(tree, path)
        return Groups(tuple(lock.get("extras", ())), tuple(lock.get("dependency-groups", ())))
    folder = posixpath.dirname(path)
    if path.endswith((".cfg", ".py")):
        sections = setup_cfg(tree, posixpath.join(folder, "setup.cfg"))
        return Groups(tuple(sections.get("options.extras_require", {})))
    manifest = read_toml(tree, posixpath.join(folder, "pyproject.toml"))
    return of_pyproject(manifest, kind)


def of_pyproject(manifest: dict[str, Any], kind: str) -> Groups:
    """Every group and extra of a pyproject.toml, as the tool of a kind of lock file knows them."""
    tool = manifest.get("tool", {})
    extras = [*manifest.get("project", {}).get("optional-dependencies", {})]
    groups = [*manifest.get("dependency-groups", {})]
    if kind == "poetry.lock":
        extras += tool.get("poetry", {}).get("extras", {})
        groups += tool.get("poetry", {}).get("group", {})
    if kind == "pdm.lock":
        groups += tool.get("pdm", {}).get("dev-dependencies", {})
    return Groups(tuple(dict.fromkeys(extras)), tuple(dict.fromkeys(groups)))


def _named(name: str, names: Iterable[str]) -> tuple[str, ...]:
    return tuple(one for one in names if _same(one) == _same(name))


def _same(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def group_notes(groups: Groups, project: Project) -> Iterator[str]:
    """Which groups are installed, to show before they are."""
    if groups.names:
        found = all(_same(name) in PRODUCTION for name in groups.names)
        why = "they are there for production" if found else "nothing else has Django"
        where = "project.groups" if project.groups else why
        yield note("groups", ", ".join(groups.names), where)
