"""The source tree as detection sees it, and the values that are found in it."""

from __future__ import annotations

import dataclasses
import difflib
import fnmatch
import functools
import posixpath
import re

from espalier.project.errors import ProjectError
from espalier.project.source.tree import Source
from espalier.project.words import listed, word_set

# A manage.py in one of these is a test bed or a template when another one lies nearer the root.
SECONDARY_DIRECTORIES = word_set(
    """
    test tests testproject test_project testapp testing example examples example_project
    exampleproject sample samples demo sandbox docs doc fixtures template templates
    project_template testutils benchmarks
    """
)


@dataclasses.dataclass(frozen=True)
class Found:
    """A value, and in words where it was found."""

    value: str
    where: str


@dataclasses.dataclass(frozen=True)
class ProjectTree:
    """The source tree as detection sees it: modules are searched from `root`, then `more`."""

    source: Source
    where: str  # the file to name in sentences
    root: str = ""  # the directory of manage.py, which Python imports from; "" is the tree's own
    more: tuple[str, ...] = ()  # other directories that it imports from, below `root`

    @functools.cached_property
    def paths(self) -> frozenset[str]:
        """The paths of all files, relative to the tree."""
        return self.source.paths

    def read(self, path: str) -> str:
        """The text of one file, "" where there is none."""
        return self.source.read(path)

    def module(self, dotted: str) -> str:
        """The file of a Python module, or ""."""
        for folder in (self.root, *self.more):
            base = posixpath.join(folder, *dotted.split("."))
            for file in (f"{base}.py", f"{base}/__init__.py"):
                if file in self.paths:
                    return file
        return ""

    def beside(self, path: str, pattern: str) -> list[str]:
        """The files that a pattern names, such as `components/*.py`, relative to another file."""
        whole = posixpath.normpath(posixpath.join(posixpath.dirname(path), pattern))
        return sorted(one for one in self.paths if fnmatch.fnmatch(one, whole))

    def has_package(self, dotted: str) -> bool:
        """Whether the first part of a module's name is a package of the project's."""
        tops = [posixpath.join(folder, dotted.split(".")[0]) for folder in (self.root, *self.more)]
        return any(
            path.startswith(f"{top}/") or path == f"{top}.py" for path in self.paths for top in tops
        )

    def dotted(self, path: str) -> str:
        """The Python module of a file below `root` or `more`."""
        folder = next((one for one in self.more if path.startswith(f"{one}/")), self.root)
        below = posixpath.relpath(path, folder or ".")
        return re.sub(r"(/__init__)?\.py$", "", below).replace("/", ".")

    @functools.cached_property
    def own(self) -> set[str]:
        """The project's own packages below `root` that are called as those of examples are."""
        return {
            name
            for name in SECONDARY_DIRECTORIES
            if "test" not in name
            and self.module(f"{name}.settings")
            and self.module(name)
            and posixpath.join(self.root, name, "manage.py") not in self.paths
        }

    def named(self, *names: str) -> list[str]:
        """Files with one of these names below `root`, nearest first, no tests and no examples."""
        prefix = f"{self.root}/" if self.root else ""
        aside = SECONDARY_DIRECTORIES - self.own
        found = [
            path
            for path in self.paths
            if posixpath.basename(path) in names
            and path.startswith(prefix)
            and not is_foreign(path)
            and not aside & set(path[len(prefix) :].split("/"))
        ]
        return sorted(found, key=nearest)


def nearest(path: str) -> tuple[int, str]:
    """The sort key of a path: nearest the root first."""
    return path.count("/"), path


def is_foreign(path: str) -> bool:
    """Whether a file lies in a hidden directory or among installed packages."""
    parts = path.split("/")[:-1]
    return any(part.startswith(".") or part in ("node_modules", "site-packages") for part in parts)


def refuse_unknown_module(dotted: str, key: str, tree: ProjectTree) -> None:
    """Refuse a module that ought to be in the tree; one of an installed package may be absent."""
    if tree.module(dotted):
        return
    names = ("settings", dotted.rpartition(".")[2]) if key == "settings" else ("wsgi", "asgi")
    existing = sorted(
        tree.dotted(path)
        for path in tree.paths
        if path.endswith(".py")
        and (not tree.root or path.startswith(f"{tree.root}/"))
        and any(name in path for name in names)
    )
    near = difflib.get_close_matches(dotted, existing, n=3, cutoff=0.7)
    if near or tree.has_package(dotted):
        hint = f"did you mean {listed(near)}?" if near else f"write `{key}:` with one that exists."
        raise ProjectError(
            f"{tree.where}: project.{key}: the project has no module {dotted} in "
            f"{tree.root or 'its root'}: {hint}"
        )
