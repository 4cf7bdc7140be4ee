"""The rule for `email`: through which server the project sends its mail."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from espalier.project.rules.basics import InvalidValue, dictionary, text_of
from espalier.project.rules.site import domain
from espalier.project.words import suggestion

EXAMPLE = "{host: smtp.example.com, user: shop, from: shop@example.com}"
KEYS = ("host", "port", "user", "from", "tls")
# How a connection becomes TLS, and the port where servers expect it so.
PORTS = {"starttls": 587, "ssl": 465, "none": 25}


def email(value: Any) -> Mapping[str, Any]:
    """{"host": text, "port": int, "user": text, "from": text, "tls": one of PORTS}, all of them.

    The password stands in none of them: it is `vault_email_password`.
    """
    given = dictionary(value, EXAMPLE)
    for key in given:
        if key == "password":
            raise InvalidValue(
                "the password does not belong here: write it as `vault_email_password` into the "
                "vault (`espalier secrets edit`)."
            )
        if key not in KEYS:
            raise InvalidValue(f"{key} is not a key here: {suggestion(key, KEYS, 'they are')}")
    for key in ("host", "from"):
        if given.get(key) is None:
            raise InvalidValue(f"lacks `{key}`: write for example {EXAMPLE}.")
    port, tls = given.get("port"), str(given.get("tls") or "")
    if port is not None and (
        isinstance(port, bool) or not isinstance(port, int) or not 0 < port < 65536
    ):
        raise InvalidValue(f"port: {port!r} is not the number of a port such as 587.")
    if not tls:
        tls = next((one for one, usual in PORTS.items() if usual == port), "starttls")
    if tls not in PORTS:
        raise InvalidValue(f'tls: "{tls}" is not known: write starttls, ssl or "none".')
    sender = text_of(given["from"])
    if not re.fullmatch(r"[^@\s<>]+@[^@\s<>]+|[^<>@]+ <[^@\s<>]+@[^@\s<>]+>", sender):
        raise InvalidValue(
            f'from: "{sender}" is not an address such as shop@example.com or '
            "The Shop <shop@example.com>."
        )
    try:
        host = domain(given["host"])
    except InvalidValue as bad:
        raise InvalidValue(f"host: {bad}") from None
    user = text_of(given["user"]) if given.get("user") is not None else ""
    return {"host": host, "port": port or PORTS[tls], "user": user, "from": sender, "tls": tls}
