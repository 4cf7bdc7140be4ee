"""What expressions of a settings file come to, and which variables they read on the way."""

from __future__ import annotations

import ast
import dataclasses
import operator
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from espalier.project.variables.libraries import READERS
from espalier.project.variables.read import Read
from espalier.project.variables.values import (
    UNKNOWN,
    Bound,
    External,
    Given,
    Missing,
    Module,
    Reader,
    is_known,
    plain,
)

ENVIRON = "os.environ"
OPERATORS: dict[type, Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Is: lambda a, b: a == b,
    ast.IsNot: lambda a, b: a != b,
    ast.In: lambda a, b: a in b,
    ast.NotIn: lambda a, b: a not in b,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}


class Expressions:
    """Evaluates expressions; `Calls` adds calls, and `Interpreter` statements."""

    def __init__(self, lookup: Callable[[str, str], Any]) -> None:
        """Take what says what a variable is.

        Args:
            lookup: of a name and a kind: its text, UNKNOWN if it is there and only the machine
                knows its value, or a Missing.
        """
        self.lookup = lookup
        self.reads: dict[str, Read] = {}
        self.module = Module("", "")
        self.names: dict[str, Any] = self.module.names
        self.perhaps = 0  # more than 0 where it is not known whether this is reached
        self.touched: set[str] = set()  # variables that are missing, of the condition at hand
        self.compared: dict[str, set[str]] = {}  # variable -> texts that its value is compared with
        self.where = self.at = ""
        self.place: tuple[str, ...] = ()  # the name that is assigned, and keys of a dictionary
        self.depth = 0
        self.files: list[str] = []  # files of variables that are read, as the settings name them
        self.expected = ""  # the kind of what is read, told by the call around it

    # Notes

    def note(self, name: str, kind: str, has_default: bool, default: Any = UNKNOWN) -> Any:
        """Note that a variable is read; what it is."""
        where = self.at or self.where
        kind = self.expected if self.expected and kind == "text" else kind
        known = self.reads.get(name)
        required = not (has_default or self.perhaps)
        if known is None or (required and not known.required):
            kind = known.kind if known and kind == "text" else kind
            said = str(plain(default)) if is_known(default) else ""
            place = ".".join(self.place)
            self.reads[name] = Read(name, kind, has_default, required, where, said, place)
        value = self.lookup(name, kind)
        if isinstance(value, Missing):
            self.touched.add(name)
        return value

    def require(self, names: Iterable[str]) -> None:
        """Variables that are missing have to be there, as it turns out."""
        for name in names:
            if (one := self.reads.get(name)) and not self.perhaps:
                self.reads[name] = dataclasses.replace(one, required=True)

    def needs(self, value: Any, kind: str = "") -> None:
        """Note that something cannot go on with None."""
        if isinstance(value, Missing):
            self.require([value.name])
            one = self.reads[value.name]
            if kind and one.kind == "text":
                self.reads[value.name] = dataclasses.replace(one, kind=kind)

    @contextmanager
    def expecting(self, kind: str) -> Iterator[None]:
        """What is read in the block is of this kind, unless the reading says it itself."""
        before, self.expected = self.expected, kind
        try:
            yield
        finally:
            self.expected = before

    @contextmanager
    def placed(self, *place: str) -> Iterator[None]:
        """What is read in the block comes to be there."""
        before, self.place = self.place, place
        try:
            yield
        finally:
            self.place = before

    # Expressions

    def value(self, node: ast.expr) -> Any:
        """What an expression comes to."""
        if self.module.path:
            self.where = f"{self.module.path} line {node.lineno}"
        method = getattr(self, f"of_{type(node).__name__}", None)
        if method:
            return method(node)
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.expr):
                self.value(child)
        return UNKNOWN

    def of_Constant(self, node: ast.Constant) -> Any:
        """A constant."""
        return node.value

    def of_Lambda(self, node: ast.Lambda) -> Any:
        """A lambda runs when it is called."""
        return UNKNOWN

    def _elements(self, node: ast.List | ast.Tuple | ast.Set) -> list[Any]:
        return [self.value(one) for one in node.elts]

    def of_List(self, node: ast.List) -> Any:
        """A list."""
        return self._elements(node)

    def of_Tuple(self, node: ast.Tuple) -> Any:
        """A tuple."""
        return tuple(self._elements(node))

    def of_Set(self, node: ast.Set) -> Any:
        """A set, as a tuple."""
        return tuple(self._elements(node))

    def of_Dict(self, node: ast.Dict) -> Any:
        """A dictionary; not known with keys that are not."""
        keys = [self.value(one) if one else UNKNOWN for one in node.keys]
        values = []
        for key, one in zip(keys, node.values, strict=True):
            with self.placed(*self.place, key if self.place and isinstance(key, str) else ""):
                values.append(self.value(one))
        if all(isinstance(key, str | int) for key in keys):
            return dict(zip(keys, values, strict=True))
        return UNKNOWN

    def of_ListComp(
        self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp
    ) -> Any:
        """What it goes over is read; what it makes of that, perhaps."""
        for one in node.generators:
            self.needs(self.value(one.iter), "list")
        self.perhaps += 1
        for part in (node.key, node.value) if isinstance(node, ast.DictComp) else (node.elt,):
            self.value(part)
        self.perhaps -= 1
        return UNKNOWN

    of_SetComp = of_GeneratorExp = of_DictComp = of_ListComp

    def of_NamedExpr(self, node: ast.NamedExpr) -> Any:
        """`(name := value)`."""
        value = self.names[node.target.id] = self.value(node.value)
        return value

    def of_Name(self, node: ast.Name) -> Any:
        """A name of the module, or of Python's own."""
        found = self.names.get(node.id, External(node.id))
        if isinstance(found, Missing):
            self.touched.add(found.name)
        return found

    def of_Attribute(self, node: ast.Attribute) -> Any:
        """An attribute: of a module, of a library, or a method."""
        with self.expecting("list" if node.attr == "split" else ""):
            owner = self.value(node.value)
        if isinstance(owner, Module):
            return owner.names.get(node.attr, UNKNOWN)
        if isinstance(owner, External):
            name = f"{owner.name}.{node.attr}"
            return Reader(READERS[name]) if name in READERS else External(name)
        self.needs(owner)
        if isinstance(owner, Reader | str):
            return Bound(owner, node.attr)
        return UNKNOWN

    def of_Subscript(self, node: ast.Subscript) -> Any:
        """`os.environ["X"]`, and what is in a container that is known."""
        owner, key = self.value(node.value), self.value(node.slice)
        if isinstance(owner, External) and owner.name == ENVIRON:
            return self._variable(key, False)
        self.needs(owner)
        if isinstance(owner, dict | list | tuple | str) and is_known(key):
            try:
                return owner[plain(key)]
            except (LookupError, TypeError):
                return UNKNOWN
        return UNKNOWN

    def _variable(self, name: Any, has_default: bool, kind: str = "text") -> Any:
        """A variable without a default is there, or Python stops."""
        if not isinstance(name, str):
            return UNKNOWN
        found = self.note(name, kind, has_default)
        return UNKNOWN if isinstance(found, Missing) and not has_default else found

    def of_BoolOp(self, node: ast.BoolOp) -> Any:
        """`and`, `or`: up to the operand that decides."""
        stop = isinstance(node.op, ast.Or)
        result: Any = not stop
        for index, one in enumerate(node.values):
            result = self.value(one)
            if not is_known(result):
                self.perhaps += 1
                for rest in node.values[index + 1 :]:
                    self.value(rest)
                self.perhaps -= 1
                return UNKNOWN
            if bool(plain(result)) is stop:
                return result
        return result

    def of_IfExp(self, node: ast.IfExp) -> Any:
        """`a if c else b`."""
        condition = self.value(node.test)
        if is_known(condition):
            return self.value(node.body if plain(condition) else node.orelse)
        self.perhaps += 1
        self.value(node.body)
        self.value(node.orelse)
        self.perhaps -= 1
        return UNKNOWN

    def of_UnaryOp(self, node: ast.UnaryOp) -> Any:
        """`not x`."""
        value = self.value(node.operand)
        if isinstance(node.op, ast.Not) and is_known(value):
            return not plain(value)
        return UNKNOWN

    def of_BinOp(self, node: ast.BinOp) -> Any:
        """A sum of texts or lists; None cannot be added."""
        left, right = self.value(node.left), self.value(node.right)
        for one in (left, right):
            if not isinstance(node.op, ast.Mod):  # "%s" % None is a text
                self.needs(one)
        joins = isinstance(node.op, ast.Add) and type(left) is type(right)
        return left + right if joins and isinstance(left, str | tuple | list) else UNKNOWN

    def of_Compare(self, node: ast.Compare) -> Any:
        """A comparison; `"X" in os.environ` among them."""
        left = self.value(node.left)
        right = self.value(node.comparators[0])
        is_one = len(node.ops) == 1
        if isinstance(right, External) and right.name == ENVIRON and isinstance(left, str):
            found = self.note(left, "text", True)
            there = not isinstance(found, Missing)
            return there if isinstance(node.ops[0], ast.In) else not there
        for one, other in ((left, right), (right, left)):
            if isinstance(one, Given):
                words = other if isinstance(other, list | tuple) else [other]
                texts = {word for word in words if isinstance(word, str)}
                self.compared.setdefault(one.name, set()).update(texts)
        compare = OPERATORS.get(type(node.ops[0]))
        if not is_one or compare is None or not (is_known(left) and is_known(right)):
            for one in node.comparators[1:]:
                self.value(one)
            return UNKNOWN
        try:
            return bool(compare(plain(left), plain(right)))
        except TypeError:
            return UNKNOWN

    def set_item(self, owner: Any, key: Any, value: Any) -> None:
        """`os.environ["X"] = …`: from then on it is there."""
        if isinstance(owner, External) and owner.name == ENVIRON and isinstance(key, str):
            before = self.lookup
            put = value if isinstance(value, str) and not self.perhaps else UNKNOWN
            self.lookup = lambda name, kind: put if name == key else before(name, kind)
