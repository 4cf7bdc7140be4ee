"""What a rotation writes: before the run that makes both values valid, and after it.

Pure functions from what is kept to what changes, so that a rotation that was cut off anywhere is
finished by the same steps. A change to None removes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from espalier.secrets.catalog import SECRETS, generate

Values = Mapping[str, str]
Changes = dict[str, str | None]


def begin(name: str, values: Values, make: Callable[[str], str] = generate) -> Changes:
    """What to write first; nothing where an earlier rotation has done so, and is to be finished.

    Args:
        name: of the secret.
        values: what is kept, by name; `name` is among them, but for one that is not made yet.
        make: makes a new value.
    """
    if name == "database_password":
        # The password first: as long as the login is not in use, it has no effect.
        second = values.get("database_login") != "second"
        key = "database_password_second" if second else "database_password"
        return {key: make(name), "database_login": "second" if second else "first"}
    if name not in values:
        return {}
    if name == "secret_key":
        # Every process accepts it before the first one signs with it.
        return {} if values.get("secret_key_next") else {"secret_key_next": make(name)}
    old = f"{name}_old"
    if old not in SECRETS[name].companions:  # PostgreSQL knows one password at a time
        return {name: make(name)}
    if values.get(old) not in (None, values[name]):
        return {}
    return {old: values[name], name: make(name)}


def finish(name: str, values: Values) -> Changes:
    """What to write once every process has what `begin` wrote."""
    if name == "secret_key":
        new, current = values.get("secret_key_next"), values.get("secret_key")
        if not new or not current:
            return {}
        if new == current:  # cut off between two files
            return {"secret_key_next": None}
        return {"secret_key_old": current, "secret_key": new, "secret_key_next": None}
    old = f"{name}_old"
    return {old: None} if old in values else {}


def drop_old(values: Values) -> Changes:
    """What to write so that the secret key of before is not accepted any more."""
    return {"secret_key_old": None} if "secret_key_old" in values else {}
