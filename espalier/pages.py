"""Pages of HTML that the kit writes: one file, which loads nothing; all text is escaped."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

# No character of XML 1.0, and those that turn the direction of the text around them.
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"
)


def page_templates(directory: Path) -> Environment:
    """The templates of a directory: all is escaped, and a name that is missing is an error."""
    return Environment(
        loader=FileSystemLoader(directory),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_finalized,
    )


def clean(text: str) -> str:
    """A text with a mark in place of what XML does not have, or what turns the text around it."""
    return _UNSEEN.sub("\ufffd", text)


def prose(sentence: str) -> Markup:
    """A sentence as it stands in a page: with a capital and a stop, and `names` set as code."""
    text = clean(sentence.strip())
    text = text[:1].upper() + text[1:]
    if text and text[-1] not in ".!?:":
        text += "."
    return Markup(re.sub("`([^`]+)`", r"<code>\1</code>", str(escape(text))))


def _finalized(value: Any) -> Any:
    return clean(value) if isinstance(value, str) and not isinstance(value, Markup) else value
