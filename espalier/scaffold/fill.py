"""Fill in a YAML file that is written for people: other values, and every comment where it is.

The places are found by a YAML parser, by their keys, and not by the look of the text.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

Keys = tuple[str, ...]


def fill(text: str, values: Mapping[Keys, Any], names: Mapping[Keys, str] | None = None) -> str:
    """Put other values into a YAML text.

    Args:
        text: the YAML text.
        values: the keys that lead to a value that stands in one line -> the new value.
        names: the keys that lead to an entry -> its new name.

    Raises:
        ValueError: there is no such entry, or its value takes several lines.
    """
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    places: list[tuple[yaml.Node, str]] = []
    for keys, value in values.items():
        _, node = _entry(root, keys)
        if node.start_mark.line != node.end_mark.line:
            raise ValueError(f"{'.'.join(keys)} takes several lines")
        places.append((node, in_line(value)))
    for keys, name in (names or {}).items():
        places.append((_entry(root, keys)[0], name))
    for node, new in sorted(places, key=lambda place: -place[0].start_mark.index):
        text = text[: node.start_mark.index] + new + text[node.end_mark.index :]
    return text


def replace_line(text: str, line: str, new: str) -> str:
    """Put another line in the place of one, which is there exactly once; ValueError if it is not.

    For lines that are comments, which a parser does not see.
    """
    lines = text.split("\n")
    if lines.count(line) != 1:
        raise ValueError(f"{lines.count(line)} lines are {line!r}")
    return "\n".join(new if one == line else one for one in lines)


def in_line(value: Any) -> str:
    """A value as YAML in one line."""
    # A list of it, as YAML ends a lone scalar with a mark of its own.
    dumped = yaml.safe_dump(
        [value], default_flow_style=True, sort_keys=False, allow_unicode=True, width=2**20
    )
    return str(dumped).strip()[1:-1]


def _entry(root: yaml.Node | None, keys: Keys) -> tuple[yaml.Node, yaml.Node]:
    """The key and the value to which keys lead."""
    node, key = root, None
    for name in keys:
        pairs = node.value if isinstance(node, yaml.MappingNode) else ()
        key, node = next(((k, v) for k, v in pairs if k.value == name), (None, None))
    if key is None or node is None:
        raise ValueError(f"there is no {'.'.join(keys)}")
    return key, node
