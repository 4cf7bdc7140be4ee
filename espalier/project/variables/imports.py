"""Modules of the project: a settings module, what it imports, and what split-settings includes."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from espalier.project.detection.tree import ProjectTree
from espalier.project.variables.calls import Calls
from espalier.project.variables.libraries import READERS
from espalier.project.variables.values import UNKNOWN, External, Module, Reader

MOST_INCLUDED = 50


class Imports(Calls):
    """Modules and their names; `Interpreter` follows the statements in them."""

    def __init__(self, tree: ProjectTree, lookup: Callable[[str, str], Any]) -> None:
        """Take the tree, and what says what a variable is (see `Expressions`)."""
        super().__init__(lookup)
        self.tree = tree
        self.modules: dict[str, Module] = {}
        self.included: set[str] = set()

    def block(self, body: Sequence[ast.stmt]) -> Any:
        """Follow statements; `Interpreter` does."""
        raise NotImplementedError

    def run(self, dotted: str) -> Module | None:
        """Follow a module of the project, once; None where the tree has none of that name."""
        path = self.tree.module(dotted)
        if not path:
            return None
        if path in self.modules:
            return self.modules[path]
        module = self.modules[path] = Module(path, dotted)
        module.names["__name__"] = dotted
        with self.inside(module), suppress(RecursionError):
            self.block(self.statements(path))
        return module

    def statements(self, path: str) -> list[ast.stmt]:
        """What a file holds; nothing where this Python cannot read it."""
        try:
            return ast.parse(self.tree.read(path)).body
        except (SyntaxError, ValueError, RecursionError):
            return []

    @contextmanager
    def inside(self, module: Module, names: dict[str, Any] | None = None) -> Iterator[None]:
        """Go on in another module, or in the names of a function of it."""
        before = self.module, self.names
        self.module, self.names = module, module.names if names is None else names
        try:
            yield
        finally:
            self.module, self.names = before

    def include(self, names: Iterable[Any]) -> None:
        """Follow what `include` of split-settings names: files, in the names of this module."""
        for name in names:
            if not isinstance(name, str) or len(self.included) > MOST_INCLUDED:
                continue
            for path in self.tree.beside(self.module.path, name):
                if path not in self.included:
                    self.included.add(path)
                    with self.inside(Module(path, self.module.dotted, self.module.names)):
                        self.block(self.statements(path))

    def do_Import(self, node: ast.Import) -> None:
        """`import os`, `import environ as e`, `import mysite.helpers`."""
        for alias in node.names:
            self.import_parents(alias.name)
            found = self.run(alias.name)
            top = alias.name.split(".")[0]
            if alias.asname:
                self.names[alias.asname] = found or External(alias.name)
            else:
                self.names[top] = self.run(top) or External(top)

    def do_ImportFrom(self, node: ast.ImportFrom) -> None:
        """`from .base import *`, `from os import environ`."""
        name = self.absolute(node)
        self.import_parents(name)
        found = self.run(name)
        for alias in node.names:
            if alias.name == "*":
                public = found.names if found else {}
                self.names.update({k: v for k, v in public.items() if not k.startswith("_")})
                continue
            value = found.names.get(alias.name) if found else None
            if value is None:
                below = self.run(f"{name}.{alias.name}")
                value = below or (UNKNOWN if found else external(f"{name}.{alias.name}"))
            self.names[alias.asname or alias.name] = value

    def import_parents(self, dotted: str) -> None:
        """Python runs the packages of a module first."""
        parts = dotted.split(".")
        for end in range(1, len(parts)):
            self.run(".".join(parts[:end]))

    def absolute(self, node: ast.ImportFrom) -> str:
        """The whole name of the module that something is imported from."""
        if not node.level:
            return node.module or ""
        parts = self.module.dotted.split(".")
        drop = node.level - (1 if self.module.path.endswith("/__init__.py") else 0)
        base = parts[: len(parts) - drop] if drop else parts
        return ".".join([*base, *(node.module.split(".") if node.module else [])])


def external(name: str) -> External | Reader:
    """A name of a library; of some it is an object that reads variables."""
    return Reader(READERS[name]) if name in READERS else External(name)
