"""Follows the statements of a settings module, as Python would, and notes what it reads.

A branch is taken where its condition is known, and else both are, as what may or may not happen;
what is read there is `perhaps` read. Nothing of the project runs.
"""

from __future__ import annotations

import ast
import dataclasses
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from espalier.project.variables.imports import Imports
from espalier.project.variables.values import (
    UNKNOWN,
    External,
    Fields,
    Function,
    Reader,
    is_known,
    plain,
)

# How a block ended: None at its end, or one of these.
RAISED, BROKE, CONTINUED = "raised", "broke", "continued"
MAY_LEAVE, MAY_RETURN = "may leave", "may return"  # what follows is perhaps not reached
# What a handler of these does not catch: a variable that is missing.
HARMLESS = {"ImportError", "ModuleNotFoundError", "FileNotFoundError", "OSError", "IOError"}
LARGEST_LOOP = 50


@dataclasses.dataclass(frozen=True)
class Returned:
    """A block ended by `return`, with this value."""

    value: Any


class Interpreter(Imports):
    """Statements: branches, loops, functions and classes; `Imports` has modules."""

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
        """Follow statements; how they end: None, one of the words above, or a Returned."""
        for index, statement in enumerate(body):
            method = getattr(self, f"do_{type(statement).__name__}", None)
            if method is None:
                self.others(statement)
                continue
            ended = method(statement)
            if ended in (MAY_LEAVE, MAY_RETURN):
                rest = self.one_of(body[index + 1 :])
                return MAY_RETURN if MAY_RETURN in (ended, rest) else MAY_LEAVE
            if ended is not None:
                return ended
        return None

    def one_of(self, *blocks: Sequence[ast.stmt]) -> Any:
        """Follow blocks of which one or none is reached; whether the statements around may end."""
        ends = []
        for block in blocks:
            with self.uncertain():
                ends.append(self.block(block))
        if any(one == MAY_RETURN or isinstance(one, Returned) for one in ends):
            return MAY_RETURN
        return MAY_LEAVE if any(one in (BROKE, CONTINUED, MAY_LEAVE) for one in ends) else None

    def others(self, statement: ast.stmt) -> None:
        """A statement that has nothing but expressions of interest."""
        for child in ast.iter_child_nodes(statement):
            if isinstance(child, ast.expr):
                self.value(child)

    # Names

    def do_Assign(self, node: ast.Assign) -> None:
        """`X = …`, `A, B = …`, `env.prefix = …`."""
        with self.placed(*(self.place if self.depth else place_of(node.targets[0]))):
            value = self.value(node.value)
        for target in node.targets:
            self.assign(target, value)

    def do_AnnAssign(self, node: ast.AnnAssign) -> None:
        """`X: str = …`."""
        if node.value is not None:
            with self.placed(*(self.place if self.depth else place_of(node.target))):
                value = self.value(node.value)
            self.assign(node.target, value)

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
        return self.one_of(node.body, node.orelse)

    def do_Match(self, node: ast.Match) -> Any:
        """One of several branches, perhaps."""
        self.value(node.subject)
        return self.one_of(*(case.body for case in node.cases))

    def do_Try(self, node: ast.Try) -> Any:
        """What is missing is told by it, or is caught, as its handlers say."""
        catching = [one.body for one in node.handlers if not self.is_harmless(one)]
        if not all(map(self.always_raises, catching)):
            ended = self.one_of([*node.body, *node.orelse], *catching)
        elif len(catching) < len(node.handlers):
            # What follows an import that fails is not reached.
            ended = self.block(node.body[:1]) or self.one_of([*node.body[1:], *node.orelse])
        else:
            ended = self.block([*node.body, *node.orelse])
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
        if not isinstance(over, list | tuple) or len(over) > LARGEST_LOOP:
            self.assign(node.target, UNKNOWN)
            return self.of_loop(self.one_of(node.body))
        after = None
        with ExitStack() as rounds:
            for one in over:
                self.assign(node.target, one)
                ended = self.block(node.body)
                if ended == BROKE:
                    return after
                if isinstance(ended, Returned) or ended == RAISED:
                    return after or ended
                if ended in (MAY_LEAVE, MAY_RETURN):  # the rounds that follow are perhaps none
                    rounds.enter_context(self.uncertain())
                    after = self.of_loop(ended) or after
        return self.block(node.orelse) or after

    def do_While(self, node: ast.While) -> Any:
        """Perhaps."""
        self.value(node.test)
        return self.of_loop(self.one_of(node.body))

    @staticmethod
    def of_loop(ended: Any) -> Any:
        """How a loop ends, when its body does so."""
        return MAY_RETURN if ended == MAY_RETURN else None

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
                return self.one_of(node.body)
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
        """The end of a loop."""
        return BROKE

    def do_Continue(self, node: ast.Continue) -> str:
        """The end of a round of a loop."""
        return CONTINUED

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


def place_of(target: ast.expr) -> tuple[str, ...]:
    """The name that is assigned, and the keys behind it; () where they are not plain texts."""
    if isinstance(target, ast.Name):
        return (target.id,)
    if isinstance(target, ast.Subscript) and isinstance(target.slice, ast.Constant):
        owner, key = place_of(target.value), target.slice.value
        return (*owner, key) if owner and isinstance(key, str) else ()
    return ()


class Scope(dict[str, Any]):
    """Names of a function, and behind them those of its module."""

    def __init__(self, names: dict[str, Any], outer: dict[str, Any]) -> None:
        """Take both."""
        super().__init__(names)
        self.outer = outer

    def get(self, key: str, default: Any = None) -> Any:
        """A name of the function, else of its module."""
        return super().get(key, self.outer.get(key, default))
