"""Environment files."""

from __future__ import annotations

import pytest

from espalier_machine.release.environment import format_environment, parse_environment
from espalier_machine.release.errors import ReleaseError


def test_environment_file_is_read_as_systemd_reads_it():
    text = '# comment\n\nA="1 2"\nB="say \\"hi\\" c:\\\\x \\d"\nC=plain\nD="x=y#z"\nE=""\n'
    assert parse_environment(text) == {
        "A": "1 2",
        "B": 'say "hi" c:\\x \\d',
        "C": "plain",
        "D": "x=y#z",
        "E": "",
    }


@pytest.mark.parametrize("line", ["no equals", "1A=x", 'A="open', 'A="x" y'])
def test_environment_file_names_the_bad_line(line):
    with pytest.raises(ReleaseError) as caught:
        parse_environment(f'OK="1"\n{line}\n', "/etc/x")
    assert caught.value.sentence.startswith("/etc/x line 2 is not KEY=")


@pytest.mark.parametrize("character", ["\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c"])
def test_only_a_line_feed_ends_a_line(character):
    variables = {"A": f"{character}one{character}two{character}", "B": "x"}
    assert parse_environment(format_environment(variables)) == variables


def test_environment_survives_a_round_trip():
    variables = {"A": 'quote " slash \\ end\\', "B": "a$b`c", "C": ""}
    assert parse_environment(format_environment(variables)) == variables
