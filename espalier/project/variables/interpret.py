"""Follows the statements of a settings module, as Python would, and notes what it reads.

A branch is taken where its condition is known, and else both are, as what may or may not happen;
what is read there is `perhaps` read. Nothing of the project runs.
"""

from __future__ import annotations

import ast
import dataclasses
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from espalier.project.detection.tree import ProjectTree
from espalier.project.variables.calls import Calls
from espalier.project.variables.libraries import READERS
from espalier.project.variables.values import (
    UNKNOWN,
    External,
    Fields,
    Function,
    Module,
    Reader,
    is_known,
    plain,
)

# How a block ended: None at its end, or one of these.
RAISED, LEFT = "raised", "left"
# What a handler of these does not catch: a variable that is missing.
HARMLESS = {"ImportError", "ModuleNotFoundError", "FileNotFoundError", "OSError", "IOError"}
LARGEST_LOOP = 50


@dataclasses.dataclass(frozen=True)
class Returned:
    """A block ended by `return`, with this value."""

    value: Any


class Interpreter(Calls):
    """Statements: modules, imports, branches, loops, functions and classes."""

    def __init__(self, tree: ProjectTree, lookup: Callable[[str, str], Any]) -> None:
        """Take the tree, and what says what a variable is (see `Expressions`)."""
        super().__init__(lookup)
        self.tree = tree
        self.modules: dict[str, Module] = {}

    def run(self, dotted: str) -> Module | None:
        """Follow a module of the project, once; None where the tree has none of that name."""
        path = self.tree.module(dotted)
        if not path:
            return None
        if path in self.modules:
            return self.modules[path]
        module = self.modules[path] = Module(path, dotted)
        module.names["__name__"] = dotted
        try:
            body = ast.parse(self.tree.read(path)).body
        except (SyntaxError, ValueError, RecursionError):
            return module
        with self.inside(module):
            self.block(body)
        return module

    @contextmanager
    def inside(self, module: Module, names: dict[str, Any] | None = None) -> Iterator[None]:
        """Go on in another module, or in the names of a function of it."""
        before = self.module, self.names
        self.module, self.names = module, module.names if names is None else names
        try:
            yield
        finally:
            self.module, self.names = before

    @contextmanager
    def uncertain(self) -> Iterator[None]:
        """What is read in the block is perhaps read; what is assigned is not known after it."""
        before = dict(self.names)
        self.perhaps += 1
        try:
            yield
        finally:
            self.perhaps -= 1
            for name, value in self.names.items():
                if before.get(name, self) is not value:
                    self.names[name] = UNKNOWN

    def block(self, body: Sequence[ast.stmt]) -> Any:
        """Follow statements; how they end: None, RAISED, LEFT or a Returned."""
        for statement in body:
            method = getattr(self, f"do_{type(statement).__name__}", None)
            if method is None:
                self.others(statement)
                continue
            ended = method(statement)
            if ended is not None:
                return ended
        return None

    def others(self, statement: ast.stmt) -> None:
        """A statement that has nothing but expressions of interest."""
        for child in ast.iter_child_nodes(statement):
            if isinstance(child, ast.expr):
                self.value(child)

    # Names

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

    def do_Assign(self, node: ast.Assign) -> None:
        """`X = …`, `A, B = …`, `env.prefix = …`."""
        value = self.value(node.value)
        for target in node.targets:
            self.assign(target, value)

    def do_AnnAssign(self, node: ast.AnnAssign) -> None:
        """`X: str = …`."""
        if node.value is not None:
            self.assign(node.target, self.value(node.value))

    def do_AugAssign(self, node: ast.AugAssign) -> None:
        """`X += …`."""
        self.value(node.value)
        self.assign(node.target, UNKNOWN)

    def assign(self, target: ast.expr, value: Any) -> None:
        """Give names their values; what is in an object is not known after it."""
        if isinstance(target, ast.Name):
            self.names[target.id] = value
        elif isinstance(target, ast.Tuple | ast.List):
            values = value if isinstance(value, list | tuple) else ()
            same = len(values) == len(target.elts)
            for index, one in enumerate(target.elts):
                self.assign(one, values[index] if same else UNKNOWN)
        elif isinstance(target, ast.Subscript | ast.Attribute):
            owner = self.value(target.value)
            if isinstance(owner, Reader) and isinstance(target, ast.Attribute):
                owner.prefix = value if target.attr == "prefix" and isinstance(value, str) else ""
            elif isinstance(target, ast.Subscript):
                self.set_item(owner, self.value(target.slice), value)
            if isinstance(target.value, ast.Name) and isinstance(owner, dict | list):
                self.names[target.value.id] = UNKNOWN

    def do_FunctionDef(self, node: ast.FunctionDef) -> None:
        """A function runs when it is called."""
        plain_one = not node.decorator_list
        self.names[node.name] = Function(node, self.module) if plain_one else UNKNOWN

    def do_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        """Settings do not wait for these."""
        self.names[node.name] = UNKNOWN

    def do_ClassDef(self, node: ast.ClassDef) -> None:
        """A class of pydantic's settings reads its fields once it is called."""
        bases = [self.value(base) for base in node.bases]
        for base in bases:
            if isinstance(base, Fields):
                self.names[node.name] = Fields((*base.nodes, node), self.module)
                return
            if isinstance(base, External) and base.name.endswith(".BaseSettings"):
                self.names[node.name] = Fields((node,), self.module)
                return
        # Its statements are followed for what they read, in names of their own.
        outer = dict(self.names)
        self.block(node.body)
        self.names.clear()
        self.names.update(outer)
        self.names[node.name] = UNKNOWN

    # Branches

    def do_If(self, node: ast.If) -> Any:
        """The branch that is taken, where that is known; else both, perhaps."""
        touched, self.touched = self.touched, set()
        condition = self.value(node.test)
        missing, self.touched = self.touched, touched
        if is_known(condition):
            taken = node.body if plain(condition) else node.orelse
            ended = self.block(taken)
            if ended is RAISED and missing:
                # A person is told that it is missing, which is what happens here, too.
                self.require(missing)
                return None
            return ended
        for branch in (node.body, node.orelse):
            with self.uncertain():
                self.block(branch)
        return None

    def do_Match(self, node: ast.Match) -> None:
        """One of several branches, perhaps."""
        self.value(node.subject)
        for case in node.cases:
            with self.uncertain():
                self.block(case.body)

    def do_Try(self, node: ast.Try) -> Any:
        """What is missing is told by it, or is caught, as its handlers say."""
        catching = [one for one in node.handlers if not self.is_harmless(one)]
        if all(self.always_raises(one.body) for one in catching):
            ended = self.block(node.body)
        else:
            with self.uncertain():
                self.block(node.body)
            ended = None
            for handler in catching:
                with self.uncertain():
                    self.block(handler.body)
        if ended is None:
            ended = self.block(node.orelse)
        return self.block(node.finalbody) or ended

    def is_harmless(self, handler: ast.ExceptHandler) -> bool:
        """Whether a handler lets a missing variable pass."""
        kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
        names = {getattr(kind, "id", getattr(kind, "attr", "")) for kind in kinds}
        return names <= HARMLESS

    @staticmethod
    def always_raises(body: Sequence[ast.stmt]) -> bool:
        """Whether a handler ends with an error in any case."""
        last = body[-1]
        leaves = isinstance(last, ast.Expr) and "exit" in ast.unparse(last).split("(")[0]
        plain_one = not any(isinstance(n, ast.Return) for one in body for n in ast.walk(one))
        return plain_one and (isinstance(last, ast.Raise) or leaves)

    def do_For(self, node: ast.For) -> Any:
        """Each round, where what it goes over is known."""
        over = self.value(node.iter)
        if isinstance(over, list | tuple) and len(over) <= LARGEST_LOOP:
            for one in over:
                self.assign(node.target, one)
                ended = self.block(node.body)
                if ended is not None and ended is not LEFT:
                    return ended
            return self.block(node.orelse)
        with self.uncertain():
            self.assign(node.target, UNKNOWN)
            self.block(node.body)
        return None

    def do_While(self, node: ast.While) -> None:
        """Perhaps."""
        with self.uncertain():
            self.value(node.test)
            self.block(node.body)

    def do_With(self, node: ast.With) -> Any:
        """The block; below `env.prefixed(…)` with a prefix, below what hides errors perhaps."""
        readers: list[tuple[Reader, str]] = []
        for item in node.items:
            call = item.context_expr
            owner = None
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute):
                owner = self.value(call.func.value)
            if isinstance(owner, Reader) and isinstance(call, ast.Call) and call.args:
                prefix = self.value(call.args[0])
                readers.append((owner, owner.prefix))
                owner.prefix += prefix if isinstance(prefix, str) else ""
                if item.optional_vars is not None:
                    self.assign(item.optional_vars, owner)
                continue
            self.value(call)
            if item.optional_vars is not None:
                self.assign(item.optional_vars, UNKNOWN)
            if "suppress" in ast.unparse(call):
                with self.uncertain():
                    self.block(node.body)
                return None
        ended = self.block(node.body)
        for reader, prefix in readers:
            reader.prefix = prefix
        return ended

    def do_Raise(self, node: ast.Raise) -> str:
        """The end; in a branch that is not known to be taken, only of that branch."""
        return RAISED

    def do_Return(self, node: ast.Return) -> Returned:
        """The end of a function."""
        return Returned(self.value(node.value) if node.value is not None else None)

    def do_Break(self, node: ast.Break) -> str:
        """The end of a loop, or of its round."""
        return LEFT

    do_Continue = do_Break

    def do_Assert(self, node: ast.Assert) -> None:
        """`assert X, "set X"`: what is missing is told by it."""
        touched, self.touched = self.touched, set()
        condition = self.value(node.test)
        missing, self.touched = self.touched, touched
        if is_known(condition) and not plain(condition):
            self.require(missing)

    # Calls of the project's own

    def call_function(self, function: Function, values: list[Any], keywords: dict[str, Any]) -> Any:
        """Follow a function of the project's with these arguments."""
        if self.depth > 8:
            return UNKNOWN
        spec = function.node.args
        parameters = [one.arg for one in (*spec.posonlyargs, *spec.args)]
        names: dict[str, Any] = dict.fromkeys((one.arg for one in spec.kwonlyargs), UNKNOWN)
        names |= dict.fromkeys(parameters, UNKNOWN)
        defaults = [self.value(one) for one in spec.defaults]
        names |= dict(zip(parameters[len(parameters) - len(defaults) :], defaults, strict=True))
        for argument, default in zip(spec.kwonlyargs, spec.kw_defaults, strict=True):
            if default is not None:
                names[argument.arg] = self.value(default)
        names |= dict(zip(parameters, values, strict=False))
        names |= {name: value for name, value in keywords.items() if name}
        for rest in (spec.vararg, spec.kwarg):
            if rest:
                names[rest.arg] = UNKNOWN
        self.depth += 1
        at = self.at
        try:
            self.at = at or self.where  # it is of interest where it is called
            with self.inside(function.module, Scope(names, function.module.names)):
                ended = self.block(function.node.body)
        finally:
            self.depth -= 1
            self.at = at
        return ended.value if isinstance(ended, Returned) else None if ended is None else UNKNOWN


def external(name: str) -> External | Reader:
    """A name of a library; of some it is an object that reads variables."""
    return Reader(READERS[name]) if name in READERS else External(name)


class Scope(dict[str, Any]):
    """Names of a function, and behind them those of its module."""

    def __init__(self, names: dict[str, Any], outer: dict[str, Any]) -> None:
        """Take both."""
        super().__init__(names)
        self.outer = outer

    def get(self, key: str, default: Any = None) -> Any:
        """A name of the function, else of its module."""
        return super().get(key, self.outer.get(key, default))
