"""The rule for `anonymise`: the columns that a copy for another environment has blanked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from espalier.project.rules.basics import InvalidValue, dictionary, list_of, text_of

EXAMPLE = "{auth_user: [email, first_name, password]}"


def anonymise(value: Any) -> Mapping[str, tuple[str, ...]]:
    """Table, as `table` or `schema.table` -> its columns.

    Whether they are there, and can be blanked, only the database knows: the copy refuses the rest.
    """
    found = {}
    for name, columns in dictionary(value, EXAMPLE).items():
        table = text_of(name)
        if not 1 <= len(table.split(".")) <= 2 or not all(table.split(".")):
            raise InvalidValue(
                f'"{table}" is no table of the database: write it as `auth_user`, or with its '
                "schema as `public.auth_user`."
            )
        try:
            found[table] = list_of(text_of, "[email, first_name]")(columns)
        except InvalidValue as bad:
            raise InvalidValue(f"{table}: {bad}") from None
        if not found[table]:
            raise InvalidValue(f"{table}: names no column: write for example {EXAMPLE}.")
    return found
