"""Rules for `certificate`: which one visitors get, and where it comes from."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from espalier.project.rules.basics import InvalidValue, text_of
from espalier.project.words import suggestion

AUTO, SELF_SIGNED, OWN = "auto", "self_signed", "own"
_KEYS = {OWN: ("certificate", "key"), AUTO: ("authority", "email")}
_EXAMPLE = "auto, self_signed, or {certificate: shop.pem, key: shop.key}"


def certificate(value: Any) -> Mapping[str, str]:
    """{"kind": auto, self_signed or own}, and what is stated beside it."""
    if not isinstance(value, Mapping):
        text = text_of(value)
        if text not in (AUTO, SELF_SIGNED):
            raise InvalidValue(f'"{text}" is not known: write {_EXAMPLE}.')
        return {"kind": text}
    kind = OWN if set(value) & set(_KEYS[OWN]) else AUTO
    for key in value:
        if key == "dns":
            raise InvalidValue(
                "`dns` (wildcards, by a DNS provider) is not there yet: write each host name in "
                "`domains`, and let port 80 be reached."
            )
        if key not in _KEYS[kind]:
            raise InvalidValue(
                f"{key} is not a key here: {suggestion(str(key), _KEYS[kind], 'the keys are')}"
            )
    found = {key: _text(key, one) for key, one in value.items()}
    if lacking := [key for key in _KEYS[OWN] if kind == OWN and key not in found]:
        raise InvalidValue(f"lacks `{lacking[0]}`: write for example {_EXAMPLE}.")
    if "authority" in found and not re.fullmatch(r"https://[^\s/]+/\S*", found["authority"]):
        raise InvalidValue(
            f'authority: "{found["authority"]}" is not the address of an ACME directory: write '
            "for example https://acme.example.com/directory."
        )
    if "email" in found and not re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", found["email"]):
        raise InvalidValue(f'email: "{found["email"]}" is not an address such as ops@example.com.')
    return {"kind": kind, **found}


def _text(key: str, value: Any) -> str:
    try:
        return text_of(value)
    except InvalidValue as bad:
        raise InvalidValue(f"{key}: {bad}") from None
