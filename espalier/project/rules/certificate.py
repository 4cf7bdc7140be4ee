"""Rules for `certificate`: which one visitors get, and where it comes from."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from espalier.inventory.addresses import is_ip_address
from espalier.project.rules.basics import InvalidValue, text_of
from espalier.project.words import suggestion
from espalier_machine.common.dns_providers import PROVIDERS

AUTO, SELF_SIGNED, OWN = "auto", "self_signed", "own"
_KEYS = {OWN: ("certificate", "key"), AUTO: ("authority", "email", "dns", "propagation")}
_EXAMPLE = "auto, self_signed, or {certificate: shop.pem, key: shop.key}"


def certificate(value: Any) -> Mapping[str, Any]:
    """{"kind": auto, self_signed or own}, and what is stated beside it."""
    if not isinstance(value, Mapping):
        text = text_of(value)
        if text not in (AUTO, SELF_SIGNED):
            raise InvalidValue(f'"{text}" is not known: write {_EXAMPLE}.')
        return {"kind": text}
    kind = OWN if set(value) & set(_KEYS[OWN]) else AUTO
    for key in value:
        if key not in _KEYS[kind]:
            raise InvalidValue(
                f"{key} is not a key here: {suggestion(str(key), _KEYS[kind], 'the keys are')}"
            )
    found = {key: _text(key, one) for key, one in value.items() if key != "propagation"}
    if lacking := [key for key in _KEYS[OWN] if kind == OWN and key not in found]:
        raise InvalidValue(f"lacks `{lacking[0]}`: write for example {_EXAMPLE}.")
    if "authority" in found and not re.fullmatch(r"https://[^\s/]+/\S*", found["authority"]):
        raise InvalidValue(
            f'authority: "{found["authority"]}" is not the address of an ACME directory: write '
            "for example https://acme.example.com/directory."
        )
    if "email" in found and not re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", found["email"]):
        raise InvalidValue(f'email: "{found["email"]}" is not an address such as ops@example.com.')
    if "dns" in found and found["dns"] not in PROVIDERS:
        hint = suggestion(found["dns"], PROVIDERS, "they are")
        raise InvalidValue(f'dns: "{found["dns"]}" is no DNS provider that is known here: {hint}')
    if "propagation" in value:
        return {"kind": kind, **found, "propagation": _seconds(value["propagation"], found)}
    return {"kind": kind, **found}


def _seconds(value: Any, found: Mapping[str, str]) -> int:
    if not found.get("dns") or not PROVIDERS[found["dns"]].waits:
        raise InvalidValue(
            "propagation is how long a provider's name servers take, and nothing is waited for "
            "here: remove it."
        )
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 900:
        raise InvalidValue(f"propagation: {value!r} is not a number of seconds from 1 to 900.")
    return value


def check_names(certificate: Mapping[str, Any], domains: Sequence[str]) -> None:
    """Raise InvalidValue where the certificate cannot be for these names.

    Args:
        certificate: `certificate`, checked.
        domains: `domains`, checked.
    """
    wildcards = [name for name in domains if name.startswith("*.")]
    if wildcards and domains[0] in wildcards:
        raise InvalidValue(
            f'project.domains: the first one is where links lead, and "{domains[0]}" stands for '
            f"many: write a host name before it, for example {domains[0].removeprefix('*.')}."
        )
    is_by_dns = "dns" in certificate
    if wildcards and certificate["kind"] == AUTO and not is_by_dns:
        raise InvalidValue(
            f'project.domains: an authority gives a certificate for "{wildcards[0]}" only to whom '
            "its DNS belongs: write `certificate: {dns: cloudflare}` with the provider that has "
            f"your zone ({', '.join(PROVIDERS)}), or each host name instead of it."
        )
    addresses = [name for name in domains if is_ip_address(name)]
    if is_by_dns and (addresses or not domains):
        what = f"{addresses[0]} is an address" if addresses else "the site has no `domains`"
        raise InvalidValue(
            f"project.certificate: dns: DNS proves names, and {what}: write names in `domains`, "
            "or remove `dns`."
        )


def _text(key: str, value: Any) -> str:
    try:
        return text_of(value)
    except InvalidValue as bad:
        raise InvalidValue(f"{key}: {bad}") from None
