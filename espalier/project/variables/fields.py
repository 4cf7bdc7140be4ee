"""The variables of pydantic's settings classes: a field each."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from espalier.project.variables.libraries import KINDS
from espalier.project.variables.values import UNKNOWN, Fields

if TYPE_CHECKING:
    from espalier.project.variables.expressions import Expressions

SIMPLE = ("str", "SecretStr", "Path", "EmailStr", "bytes")


def read_fields(reading: Expressions, fields: Fields, stated: Mapping[str, Any]) -> Any:
    """Read what a class of pydantic's settings wants, where it is called with `stated`."""
    wanted: dict[str, tuple[ast.AnnAssign, str]] = {}
    prefix = ""
    for node in fields.nodes:
        for statement in node.body:
            text = ast.unparse(statement)
            if "env_prefix" in text:
                prefix = next(
                    (
                        word.value
                        for one in ast.walk(statement)
                        if isinstance(one, ast.keyword | ast.Assign)
                        and "env_prefix" in ast.unparse(one)
                        and isinstance(word := one.value, ast.Constant)
                        and isinstance(word.value, str)
                    ),
                    prefix,
                )
            if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
                wanted[statement.target.id] = statement, text
    for name, (statement, text) in wanted.items():
        if "ClassVar" in text or name.startswith("_") or name == "model_config":
            continue
        value = statement.value
        call = value if isinstance(value, ast.Call) else None
        given = {one.arg: one.value for one in call.keywords} if call else {}
        ellipsis = isinstance(value, ast.Constant) and value.value is Ellipsis
        first = call.args[0] if call and call.args else None
        required = value is None or ellipsis
        if call and "Field" in ast.unparse(call.func):
            required = not ({"default", "default_factory"} & given.keys()) and (
                first is None or (isinstance(first, ast.Constant) and first.value is Ellipsis)
            )
        alias = given.get("validation_alias", given.get("alias", given.get("env")))
        variable = (prefix + name).upper()
        if alias is not None:
            known = reading.value(alias)
            variable = known if isinstance(known, str) else ""
        kind = ast.unparse(statement.annotation)
        # Pydantic 1 takes None for what is optional; and a model is read in ways of its own.
        simple = kind.rpartition(".")[2] in SIMPLE or annotation_kind(kind) != "text"
        required = required and simple and name not in stated and "" not in stated
        if variable:
            reading.where = f"{fields.module.path} line {statement.lineno}"
            reading.note(variable, annotation_kind(kind), not required)
    return UNKNOWN


def annotation_kind(text: str) -> str:
    """The kind of a field of pydantic's, from its annotation."""
    if text.startswith("Optional[") or "None" in text:
        return "text"
    first = text.split("[")[0].strip().rpartition(".")[2]
    if first in ("list", "List", "dict", "Dict", "tuple", "Tuple", "set", "Set"):
        return "JSON"
    return KINDS.get(first, "text")
