"""Rules for what is in the code: manage.py, settings, application, requirements."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Any

from espalier.project.rules.basics import DOTTED, InvalidValue, matching, text_of


def path_inside(value: Any) -> str:
    """A path relative to the root of the project, which it stays in; the root is ""."""
    text = text_of(value)
    if text.startswith(("/", "~")) or ".." in PurePosixPath(text).parts:
        raise InvalidValue(
            f'"{text}" must be a path inside the project, such as backend or src/site.'
        )
    return "" if text in (".", "./") else str(PurePosixPath(text))


def path_of_manage(value: Any) -> str:
    """The directory of manage.py, inside the project."""
    text = path_inside(value)
    if PurePosixPath(text).name == "manage.py":
        parent = str(PurePosixPath(text).parent)
        raise InvalidValue(f'"{text}" is the file: write the directory that holds it: {parent}')
    return text


def settings_module(value: Any) -> str:
    """A Python module with dots; a file's name is refused with the module that it is."""
    text = text_of(value)
    if not re.fullmatch(DOTTED, text):
        guess = re.sub(r"\.py$", "", text).strip("./").replace("/", ".")
        hint = f": write {guess}" if re.fullmatch(DOTTED, guess) else ", such as mysite.settings"
        raise InvalidValue(f'"{text}" is not a Python module with dots{hint}')
    if text.endswith(".py"):
        raise InvalidValue(f'"{text}" is a file, not a module: write {text[:-3]}')
    return text


def application(value: Any) -> str:
    """A WSGI or ASGI application, as module:name."""
    text = text_of(value)
    if re.fullmatch(rf"{DOTTED}:[A-Za-z_]\w*", text):
        return text
    if re.fullmatch(DOTTED, text) and "." in text:
        module, _, name = text.rpartition(".")
        guess = f"{module}:{name}" if name not in ("wsgi", "asgi") else f"{text}:application"
        raise InvalidValue(f'"{text}" has no colon before the application: write {guess}')
    raise InvalidValue(f'"{text}" is not module:name: write for example mysite.wsgi:application')


# One line of a requirements file, without options and URLs of their own.
requirement = matching(
    r"[A-Za-z0-9][A-Za-z0-9._-]*\s*(\[[^\]]*\])?\s*([<>=!~@;(].*)?",
    "is not a requirement such as django-storages[s3] or celery==5.5.3.",
)

# A dependency group, an extra, or a category of Pipenv.
group = matching(
    r"[A-Za-z0-9][A-Za-z0-9._-]*", "is not the name of a group of requirements such as postgres."
)
