"""The rule for `egress`: what Django may connect to."""

from __future__ import annotations

from typing import Any

from espalier.project.rules.basics import InvalidValue, text_of
from espalier_machine.common.targets import split_target

EXAMPLES = "smtp.example.com:587, api.example.com, 203.0.113.0/24 or [2001:db8::7]:443"


def target(value: Any) -> str:
    """A name, an address or a range, in lower case, and a port behind it where one is stated."""
    text = text_of(value).lower()
    if "://" in text:
        raise InvalidValue(
            f'"{text}" is a URL: write only its host and port, for example api.example.com:443.'
        )
    if text.startswith("*"):
        raise InvalidValue(
            f'"{text}": a name has to be whole, as it is looked up: write each one, or the '
            "addresses that the provider lists."
        )
    try:
        split_target(text)
    except ValueError:
        raise InvalidValue(
            f'"{text}" is no host with or without a port: write for example {EXAMPLES}.'
        ) from None
    return text
