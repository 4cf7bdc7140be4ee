"""The text of hosts.yml: what is no YAML, or would be read as less than was written."""

from __future__ import annotations

import pytest

from espalier.inventory.errors import InventoryError
from espalier.inventory.yaml_text import check_environment, check_text


@pytest.mark.parametrize(
    "text",
    [
        "all: {hosts: {vps1: {password: !vault x}}}",
        "a: &one {b: 1}\nc: {<<: *one}\nd: {<<: *one}",
        "a: &one {b: 1}\nc: *one",
        "a: {x: 1}\nb: {x: 1}",
        '{"all": {}}',
    ],
)
def test_text_that_is_read(text: str) -> None:
    check_text(text, "hosts.yml", "")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "hosts.yml is empty. Write it."),
        ("# nothing\n---\n", "hosts.yml is empty. Write it."),
        ("a:\n\tb:\n", "hosts.yml has a tab in line 2, "),
        ("a: {b: 1,\n \tc: 2}\n", "hosts.yml has a tab in line 2, "),
        ("a: [1\n", "hosts.yml is no YAML at line 2, column 1: "),
        ("a: *b\n", "hosts.yml is no YAML at line 1, column 4: "),
        ("a: 1\n---\nb: 1\n", "hosts.yml is no YAML at line 2, column 1: "),
        ("a: \x00\n", "hosts.yml is no YAML: unacceptable character "),
        ("a:\n  b: 1\nc:\n  b: 2\na: 1\n", "hosts.yml has `a` twice in one place, in the lines 1 "),
        ("- a: 1\n  a: 2\n", "hosts.yml has `a` twice in one place, in the lines 1 and 2, "),
    ],
)
def test_text_that_is_refused(text: str, sentence: str) -> None:
    with pytest.raises(InventoryError) as refusal:
        check_text(text, "hosts.yml", "Write it.")
    assert str(refusal.value).startswith(sentence)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("written", "read"), [("0123", "83"), ("22:30", "1350"), ("1_000", "1000"), ("0x1F", "31")]
)
def test_number_that_yaml_reads_as_other_digits(written: str, read: str) -> None:
    text = f"project:\n  environment:\n    WHEN: {written}\n"
    sentence = f"environment.WHEN, in line 3: YAML reads {written} as the number {read}. Put it in"
    with pytest.raises(InventoryError, match=sentence):
        check_environment(text)


@pytest.mark.parametrize("value", ["8000", "-1", "0", "'0123'", "yes", "22:30:x", "!vault x", ""])
def test_value_that_is_what_it_looks_like(value: str) -> None:
    check_environment(f"project: {{environment: {{A: {value}}}}}")
    check_environment("project:\nother: 0123\n")
