"""Other values in a YAML text, and every comment where it is."""

from __future__ import annotations

import pytest
import yaml

from espalier.scaffold.fill import fill, in_line, replace_line

TEXT = """\
# Machines: {host: no value}
all:
  hosts:
    vps1: {host: 203.0.113.10}  # the first
  vars:
    tiers: []
    list:
      - a
"""


def test_values_and_names_are_found_by_their_keys() -> None:
    machine = ("all", "hosts", "vps1")
    filled = fill(
        TEXT,
        {machine: {"host": "2001:db8::1", "user": "a"}, ("all", "vars", "tiers"): "x: y"},
        {("all", "vars", "tiers"): "more"},
    )
    assert filled == TEXT.replace("{host: 203.0.113.10}", "{host: '2001:db8::1', user: a}").replace(
        "tiers: []", "more: 'x: y'"
    )
    assert yaml.safe_load(filled)["all"]["hosts"]["vps1"]["host"] == "2001:db8::1"


@pytest.mark.parametrize(
    "keys", [("all", "hosts", "vps2"), ("none",), ("all", "vars", "list", "a")]
)
def test_place_that_is_not_there_is_an_error(keys: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="there is no"):
        fill(TEXT, {keys: 1})


def test_value_in_several_lines_is_an_error() -> None:
    with pytest.raises(ValueError, match="takes several lines"):
        fill(TEXT, {("all", "hosts"): {}})


@pytest.mark.parametrize(
    "value", ["x", "a: b", "{{ x }}", "", "0123", "yes", 5, [], ["a"], "é", "#"]
)
def test_value_in_one_line_is_read_back(value: object) -> None:
    assert "\n" not in in_line(value)
    assert yaml.safe_load(f"- [{in_line(value)}]\n") == [[value]]


def test_line_is_replaced_only_where_there_is_one() -> None:
    assert replace_line("a\n  # b\nc", "  # b", "  b") == "a\n  b\nc"
    for text in ("a\n", "x\nx"):
        with pytest.raises(ValueError, match="lines are"):
            replace_line(text, "x", "y")
