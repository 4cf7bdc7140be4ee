"""The text of a YAML file: what cannot be read, or would be read as less than was written."""

from __future__ import annotations

import re
from collections.abc import Iterator

import yaml

from espalier.inventory.errors import InventoryError

# The parser that Ansible itself uses where it can.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def check_text(text: str, file: str, instead: str) -> None:
    """Refuse a file that is empty or broken, is indented by tabs, or has a key twice.

    Args:
        text: what is in the file.
        file: its name, for the sentence.
        instead: the sentence that says what an empty file should have in it.

    Raises:
        InventoryError: it is refused; names the line, counted from 1.
    """
    for number, line in enumerate(text.splitlines(), 1):
        if "\t" in line[: len(line) - len(line.lstrip())]:
            raise InventoryError(
                f"{file} has a tab in line {number}, and YAML is indented by spaces. Replace the "
                "tab by spaces, as many as the lines beside it have."
            )
    try:
        root = yaml.compose(text, Loader=_LOADER)
    except yaml.MarkedYAMLError as error:
        raise InventoryError(_broken(file, error)) from None
    except yaml.YAMLError as error:
        raise InventoryError(f"{file} is no YAML: {_one_line(str(error))}.") from None
    if root is None or (isinstance(root, yaml.ScalarNode) and root.value in ("", "~", "null")):
        raise InventoryError(f"{file} is empty. {instead}")
    for key, first, second in _twice(root, set()):
        raise InventoryError(
            f"{file} has `{key}` twice in one place, in the lines {first} and {second}, and only "
            "the last one would count. Write it once, with what belongs to both."
        )


def check_environment(text: str) -> None:
    """Refuse a number in `environment` of project.yml that YAML reads as other digits.

    Args:
        text: what is in the file, checked by `check_text`.

    Raises:
        InventoryError: YAML takes `0123` for 83, and `22:30` for 1350.
    """
    environment = _under(_under(yaml.compose(text, Loader=_LOADER), "project"), "environment")
    for key, value in environment.value if isinstance(environment, yaml.MappingNode) else ():
        is_number = value.tag == "tag:yaml.org,2002:int"
        if is_number and not re.fullmatch(r"-?(0|[1-9]\d*)", value.value):
            raise InventoryError(
                f"group_vars/all/project.yml: project.environment.{key.value}, in line "
                f"{value.start_mark.line + 1}: YAML reads {value.value} as the number "
                f'{yaml.safe_load(value.value)}. Put it in quotes: {key.value}: "{value.value}".'
            )


def _under(node: yaml.Node | None, name: str) -> yaml.Node | None:
    """Return what a mapping has under a key, or None."""
    pairs = node.value if isinstance(node, yaml.MappingNode) else ()
    return next((value for key, value in pairs if key.value == name), None)


def _broken(file: str, error: yaml.MarkedYAMLError) -> str:
    """Return the sentence for a text that is no YAML."""
    mark = error.problem_mark or error.context_mark
    where = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
    reason = " ".join(filter(None, (error.context, error.problem)))
    # A list, a name or a pair that was begun elsewhere: there is where to look as well.
    begun = error.context_mark
    if begun and mark and begun.line != mark.line:
        reason += f" (begun in line {begun.line + 1})"
    return (
        f"{file} is no YAML{where}: {_one_line(reason)}. Compare the indentation, the colons and "
        "the brackets with inventories/example/hosts.yml."
    )


def _one_line(text: str) -> str:
    return " ".join(text.split()).rstrip(".")


def _twice(node: yaml.Node, seen: set[int]) -> Iterator[tuple[str, int, int]]:
    """Yield every key that a mapping has twice, with both lines."""
    if id(node) in seen:  # an alias, which may be inside of what it stands for
        return
    seen.add(id(node))
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _twice(item, seen)
    if not isinstance(node, yaml.MappingNode):
        return
    lines: dict[str, int] = {}
    for key, value in node.value:
        line = key.start_mark.line + 1
        if isinstance(key, yaml.ScalarNode) and key.value != "<<":
            if key.value in lines:
                yield key.value, lines[key.value], line
            lines[key.value] = line
        yield from _twice(value, seen)
