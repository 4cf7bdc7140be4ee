"""What went live, and what of it can be gone back to."""

from __future__ import annotations

import pytest

from espalier_machine.release.history import find_good, format_line, parse


def test_line_is_read_as_it_was_written_and_an_older_one_too():
    text = format_line("now", "r2", "green", "ada@home for bob")
    text += format_line("then", "r1", "blue", "root", left="r2")
    assert text == "now r2 green ada@home for bob\nthen r1 blue/r2 root\n"
    assert parse(f"old r0 blue\n{text}half\n") == [
        {"since": "old", "id": "r0", "slot": "blue", "left": "", "by": ""},
        {"since": "now", "id": "r2", "slot": "green", "left": "", "by": "ada@home for bob"},
        {"since": "then", "id": "r1", "slot": "blue", "left": "r2", "by": "root"},
    ]


@pytest.mark.parametrize(
    ("lines", "good"),
    [
        ("A B C", "CBA"),
        ("A B B B", "BA"),  # restarted
        ("A B A/B", "A"),
        ("A B A/B C", "CA"),  # not B, which somebody has just left
        ("A B A/B C A/C", "A"),
        ("A B A/B B", "BA"),  # B was released again
        ("A B A/B C B/C", "BA"),  # B was named
        ("C A C A/C", "A"),
        ("A B A", "AB"),  # A was released again: what was live before is B
        ("A B C A/C", "A"),  # B was passed over
        ("A B A C A/C", "AB"),
        ("A B C B/C A/B", "A"),
        ("A B C X/C", "XBA"),  # X was never live before
        ("", ""),
    ],
)
def test_what_a_rollback_may_go_to(lines, good):
    words = [line.partition("/") for line in lines.split()]
    rows = parse("".join(format_line("now", id, "blue", "root", left) for id, _, left in words))
    assert find_good(rows, good[:1]) == list(good)


def test_line_of_a_command_that_was_cut_off_before_its_switch_does_not_count():
    rows = parse("t A blue me\nt B green me\nt C blue me\nt A green/B me\n")
    assert find_good(rows, "B") == ["B", "A"]
    assert find_good(rows, "not in it") == ["A"]
