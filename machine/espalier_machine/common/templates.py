"""Files that a program writes on the machine, kept as templates beside its code."""

from __future__ import annotations

import pkgutil
import string


class Template(string.Template):
    """Text with `%{name}` in it: units and shell scripts have `$` and `{` of their own."""

    delimiter = "%"


def read(package: str, name: str) -> str:
    """The text of `templates/<name>` in a package, from a directory or out of a zipapp.

    Raises FileNotFoundError where there is none.
    """
    content = pkgutil.get_data(package, f"templates/{name}")
    assert content is not None  # both kinds of loaders can read data
    return content.decode()


def render(package: str, name: str, **values: str) -> str:
    """That text with its names replaced; raises KeyError for a name without a value."""
    return Template(read(package, name)).substitute(values)
