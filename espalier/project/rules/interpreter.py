"""Rules for the Python that a project runs on, and where it comes from."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

from espalier.project.rules.basics import InvalidValue, text_of

# Newest first. What the kit installs beside a project (gunicorn, psycopg, redis) needs 3.10.
SUPPORTED = ("3.15", "3.14", "3.13", "3.12", "3.11", "3.10")


def version(value: Any) -> str:
    """A version of Python, X.Y, in quotes since YAML reads 3.10 as 3.1."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        raise InvalidValue(f'YAML reads {value} as a number: put it in quotes, as in "3.12".')
    text = text_of(value)
    if match := re.fullmatch(r"(3\.\d+)\.\d+", text):
        raise InvalidValue(
            f'"{text}" names a patch release, and the newest one is taken: write "{match[1]}".'
        )
    if text not in SUPPORTED:
        raise InvalidValue(
            f'"{text}" is no Python that the kit can run: write "{SUPPORTED[-1]}" to '
            f'"{SUPPORTED[0]}", in quotes.'
        )
    return text


def mirror(value: Any) -> str:
    """Where uv gets a Python from: a URL that holds what python-build-standalone releases."""
    text = text_of(value).rstrip("/")
    parts = urlsplit(text)
    if parts.scheme not in ("https", "http", "file") or not (parts.netloc or parts.path):
        raise InvalidValue(
            f'"{text}" is no URL of a mirror: write for example '
            "https://mirror.example.com/python-build-standalone, or file:///srv/mirror for a "
            "directory on every machine."
        )
    if "@" in parts.netloc:
        raise InvalidValue(
            "has a password in it, which would be kept with every release: name a mirror that "
            "needs none."
        )
    return text
