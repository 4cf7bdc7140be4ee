"""The text of a vault.yml: what it says, and how a value is set with all else left as it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from espalier.inventory.site import SiteError


def read_mapping(text: str) -> dict[str, Any]:
    """Its top level: a text, or a mapping of texts, by key; other kinds of values are left out.

    Raises:
        SiteError: it is no mapping, or no YAML. The sentence repeats none of it.
    """
    return {key: value for key, (_, node) in _entries(text).items() if (value := _plain(node))}


def set_values(text: str, changes: Mapping[str, str | Mapping[str, str] | None]) -> str:
    """The text with some keys set, or with None removed; comments and all others stay.

    Raises:
        SiteError: it is written in a way that this cannot change.
    """
    entries = _entries(text)
    edits = []
    added = ""
    for key, value in changes.items():
        line = f"{key}: {_written(value)}\n"
        if key not in entries:
            added += line if value is not None else ""
            continue
        start, node = entries[key]
        end = node.end_mark.index
        if not text[:end].endswith("\n"):  # what stands behind it, such as a comment, goes too
            end = text.find("\n", end) + 1 or len(text)
        edits.append((start, end, "" if value is None else line))
    result = text
    for start, end, line in sorted(edits, reverse=True):
        result = result[:start] + line + result[end:]
    if added and result and not result.endswith("\n"):
        result += "\n"
    result += added
    wanted = {key: value for key, value in read_mapping(text).items() if key not in changes}
    wanted |= {key: value for key, value in changes.items() if value}
    try:
        right = read_mapping(result) == wanted
    except SiteError:
        right = False
    if not right:
        raise SiteError(
            "group_vars/all/vault.yml is written in a way that only a person can change: begin "
            "each variable on a line of its own (`espalier secrets edit`), and run this again."
        )
    return result


def _entries(text: str) -> dict[str, tuple[int, yaml.Node]]:
    """Where each key of the top level begins, and its value."""
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" in line {mark.line + 1}" if mark else ""
        raise SiteError(f"group_vars/all/vault.yml is no YAML{where}.", 2) from None
    if root is None or root.tag == "tag:yaml.org,2002:null":
        return {}
    if not isinstance(root, yaml.MappingNode):
        raise SiteError("group_vars/all/vault.yml is no list of `name: value`.", 2)
    return {key.value: (key.start_mark.index, value) for key, value in root.value}


def _plain(node: yaml.Node) -> Any:
    if isinstance(node, yaml.ScalarNode):
        return node.value
    if isinstance(node, yaml.MappingNode):
        pairs = [(key, one) for key, one in node.value if isinstance(one, yaml.ScalarNode)]
        return {key.value: one.value for key, one in pairs}
    return None


def _written(value: str | Mapping[str, str] | None) -> str:
    """A value as YAML on one line, in quotes: some texts of digits and letters are numbers."""
    quoted = yaml.safe_dump(
        value if value is None or isinstance(value, str) else dict(value),
        default_style='"',
        default_flow_style=True,
        width=float("inf"),
    )
    return quoted.splitlines()[0]
