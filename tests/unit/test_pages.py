"""Pages of HTML: text of others is text."""

from __future__ import annotations

from pathlib import Path

import pytest
from jinja2 import UndefinedError

from espalier.pages import clean, page_templates, prose


def test_templates_escape_and_leave_no_control_characters(tmp_path: Path) -> None:
    (tmp_path / "a.html.j2").write_text("<p>{{ words }}</p>")
    template = page_templates(tmp_path).get_template("a.html.j2")
    assert template.render(words="<b>\x1b\u202e") == "<p>&lt;b&gt;\ufffd\ufffd</p>"
    with pytest.raises(UndefinedError):
        template.render()


@pytest.mark.parametrize("code", [0x00, 0x08, 0x1B, 0x7F, 0x202E, 0xFFFF, 0xD800])
def test_characters_that_xml_does_not_have_are_marked(code: int) -> None:
    assert clean(f"a{chr(code)}b") == "a\ufffdb"


def test_letters_of_all_scripts_and_lines_are_kept() -> None:
    assert clean("äß\n\t日本 🌳") == "äß\n\t日本 🌳"


@pytest.mark.parametrize(
    ("sentence", "shown"),
    [
        ("the disk is full", "The disk is full."),
        ("Set `redis: <b>` there.", "Set <code>redis: &lt;b&gt;</code> there."),
        ("one ` alone", "One ` alone."),
        ("", ""),
    ],
)
def test_prose(sentence: str, shown: str) -> None:
    assert prose(sentence) == shown
