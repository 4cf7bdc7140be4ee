"""Before the authority is asked: whether it would find this site under each of its names.

An address proves itself: it answers a challenge that nobody else can answer. So an address of a
load balancer, of a floating IP or of another web machine is right, and one that is left over from
another server is not.
"""

from __future__ import annotations

import http.client
import ipaddress
import json
import secrets
import socket
import ssl
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from espalier_machine.certificate.config import CHALLENGE

TIMEOUT = 10  # seconds
RIGHT, WRONG, SILENT = "right", "wrong", "silent"
# What an address answers to a challenge for a name: one of the three, and what was seen.
Ask = Callable[[str, str], tuple[str, str]]


def problems(
    records: Mapping[str, Mapping[str, Any]],
    ours: Collection[str],
    identities: Collection[str],
    ask: Ask,
    *,
    is_urgent: bool = False,
) -> dict[str, str]:
    """What is wrong with each name; names with which nothing is wrong are left out.

    Args:
        records: name -> {"addresses", "caa", "error"}, from DNS.
        ours: addresses of the site's web machines.
        identities: the authority's names in CAA records; none: it looks at no such record.
        ask: asks an address for a challenge of a name.
        is_urgent: whether the authority is asked though one of the web machines does not answer.
            It may ask that one, and then it refuses.
    """
    found = {
        name: problem(name, of, ours, identities, ask, is_urgent=is_urgent)
        for name, of in records.items()
    }
    return {name: text for name, text in found.items() if text}


def problem(
    name: str,
    records: Mapping[str, Any],
    ours: Collection[str],
    identities: Collection[str],
    ask: Ask,
    *,
    is_urgent: bool = False,
) -> str:
    """What is wrong with one name, "" for nothing."""
    if records["error"]:
        return f"DNS cannot be asked for {name}: {records['error']}"
    if not records["addresses"]:
        return f"{name} has no address in DNS: add {_record(ours)}"
    if text := caa_problem(name, records["caa"], identities):
        return text
    answers = {address: ask(address, name) for address in records["addresses"]}
    seen = [(address, *answer) for address, answer in answers.items() if answer[0] != RIGHT]
    for address, answer, what in seen:
        if address not in ours:
            kind = "AAAA" if ":" in address else "A"
            return (
                f"{name} has the {kind} record {address}, and that is not this site ({what}): "
                f"change it to {_record(ours)}, or remove it"
            )
        if answer == WRONG:
            return f"{address} is a web machine of this site, but {what}: run the site for all"
    if len(seen) == len(answers):
        return (
            f"port 80 of {name} does not answer ({seen[0][2]}): open it, in the provider's "
            "firewall too"
        )
    if seen and not is_urgent:
        return (
            f"the web machine {seen[0][0]} does not answer ({seen[0][2]}), and the authority could "
            f"ask it for {name}: start it, or take its address out of DNS"
        )
    return ""


def dns_problems(
    records: Mapping[str, Mapping[str, Any]], identities: Collection[str]
) -> dict[str, str]:
    """What is wrong with each name where a DNS provider answers: no address has to be right.

    Args:
        records: name -> {"addresses", "caa", "error"}; of a wildcard those of the name below it.
        identities: as for `problems`.
    """
    found = {
        name: f"DNS cannot be asked for {name}: {of['error']}"
        if of["error"]
        else caa_problem(name, of["caa"], identities)
        for name, of in records.items()
    }
    return {name: text for name, text in found.items() if text}


def caa_problem(name: str, caa: Sequence[Sequence[str]], identities: Collection[str]) -> str:
    """Whether a name's CAA records keep the authority out; `caa` has (tag, value) of each."""
    tags = {tag.lower() for tag, _ in caa}
    # For a wildcard `issue` counts only where there is no `issuewild` (RFC 8659, 4.3).
    tag = "issuewild" if name.startswith("*.") and "issuewild" in tags else "issue"
    issuers = [value.split(";")[0].strip().lower() for found, value in caa if found.lower() == tag]
    if not identities or not issuers or set(issuers) & {one.lower() for one in identities}:
        return ""
    allowed = " and ".join(filter(None, issuers)) or "nobody"
    wanted = next(iter(identities))
    return f'the CAA record of {name} allows {allowed} alone: add `0 {tag} "{wanted}"`'


def asker(thumbprint: str) -> Ask:
    """What asks an address for the challenge of a name, as the authority would."""
    token = secrets.token_urlsafe(24)

    def ask(address: str, name: str) -> tuple[str, str]:
        try:
            status, body = fetch(address, name, f"{CHALLENGE}{token}")
        except (OSError, http.client.HTTPException) as error:
            return SILENT, getattr(error, "strerror", None) or str(error) or type(error).__name__
        if body.strip() == f"{token}.{thumbprint}":
            return RIGHT, ""
        return WRONG, f"it answers the status {status}, without the challenge"

    return ask


def fetch(address: str, name: str, path: str) -> tuple[int, str]:
    """GET a path of a name from one address; a redirect to HTTPS is followed once, unverified."""
    host = f"[{name}]" if ":" in name else name
    status, location, body = _get(http.client.HTTPConnection(host, timeout=TIMEOUT), address, path)
    if status in (301, 302, 303, 307, 308) and urlsplit(location).scheme == "https":
        context = ssl._create_unverified_context()
        connection = http.client.HTTPSConnection(host, timeout=TIMEOUT, context=context)
        status, location, body = _get(connection, address, urlsplit(location).path)
    return status, body


def _get(connection: http.client.HTTPConnection, address: str, path: str) -> tuple[int, str, str]:
    def connect(to: tuple[str, int], *arguments: Any, **more: Any) -> socket.socket:
        return socket.create_connection((address, to[1]), TIMEOUT)

    connection._create_connection = connect  # type: ignore[attr-defined]
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return (
            answer.status,
            answer.headers.get("Location", ""),
            answer.read(4096).decode("latin-1"),
        )
    finally:
        connection.close()


def _record(ours: Collection[str]) -> str:
    kinds = {"AAAA" if ":" in one else "A": one for one in sorted(ours, reverse=True)}
    return " or ".join(f"the {kind} record {one}" for kind, one in sorted(kinds.items()))


def literal(name: str) -> dict[str, Any] | None:
    """The records of a name that is an address; None for others."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return None
    return {"addresses": [name], "caa": [], "error": ""}


def parse(output: str) -> dict[str, dict[str, Any]]:
    """What templates/resolve.py has printed."""
    records: dict[str, dict[str, Any]] = json.loads(output)
    return records
