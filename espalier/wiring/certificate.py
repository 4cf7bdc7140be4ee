"""Which certificate a site has: one of a public authority, one's own, or a self-signed one."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

from espalier.inventory.addresses import is_ip_address
from espalier_machine.common.dns_providers import example, lacking

LETS_ENCRYPT = "https://acme-v02.api.letsencrypt.org/directory"
STAGING = "https://acme-staging-v02.api.letsencrypt.org/directory"
# Certificates for addresses are given in this profile alone: they last 160 hours.
ADDRESS_PROFILE = "shortlived"
# No public DNS has them: RFC 2606, 6761, 6762, 8375, 9476, `internal`, and what routers use.
PRIVATE_ENDINGS = (
    *("example", "test", "invalid", "localhost", "local", "internal", "alt", "onion"),
    *("lan", "home", "corp", "mail", "intranet", "private", "home.arpa"),
    *("example.com", "example.net", "example.org"),
)


class Certificate(TypedDict):
    """Where the certificate comes from: `kind` is acme, own or self_signed; the rest is of acme.

    `names` are those that it is for. `why` says why it is self-signed, or not for all names,
    though nobody asked for that, and what to do.
    """

    kind: str
    names: list[str]
    authority: str
    staging: str
    profile: str
    email: str
    dns: str
    propagation: int
    why: str


def certificate(stated: Mapping[str, Any], domains: Sequence[str]) -> Certificate:
    """Return what the web machines are to do about the certificate.

    Args:
        stated: `certificate` of project.yml, checked.
        domains: the site's names, or its address where it has none.
    """
    kind, authority = stated["kind"], stated.get("authority", "")
    is_by_public_authority = kind == "auto" and not authority
    names = [name for name in domains if is_public(name) or not is_by_public_authority]
    private = [name for name in domains if name not in names]
    found: Certificate = {
        "kind": ("acme" if names else "self_signed") if kind == "auto" else kind,
        "names": names or list(domains),
        "authority": authority or LETS_ENCRYPT,
        # Only the public one's: a private authority has no limits to be careful with.
        "staging": "" if authority else STAGING,
        "profile": ADDRESS_PROFILE if any(map(is_ip_address, names)) and not authority else "",
        "email": stated.get("email", ""),
        "dns": stated.get("dns", ""),
        "propagation": stated.get("propagation", 0),
        "why": _why(private, names) if private else "",
    }
    return found


def settings(
    wanted: Certificate,
    addresses: Sequence[str],
    thumbprint: str,
    placeholder: str,
) -> str:
    """Return the settings of the command `certificate`, as JSON.

    Args:
        wanted: from `certificate`.
        addresses: where its web machines are reached.
        thumbprint: of the account's key.
        placeholder: path of the self-signed certificate, without its ending.
    """
    kept = {key: value for key, value in wanted.items() if key != "why"}
    more = {"addresses": list(addresses), "thumbprint": thumbprint, "placeholder": placeholder}
    return json.dumps(kept | more, indent=1)


def dns_problem(wanted: Certificate, credentials: object) -> str:
    """Return why the DNS provider's credentials cannot be used, or "".

    Args:
        wanted: from `certificate`.
        credentials: what the inventory has; it may be anything.
    """
    if wanted["kind"] != "acme" or not wanted["dns"]:
        return ""
    if not isinstance(credentials, str) or not credentials.strip():
        what = "nothing has its credentials"
    elif keys := lacking(wanted["dns"], credentials):
        what = f"its credentials lack {', '.join(keys)}"
    else:
        return ""
    return f"{what}: write {example(wanted['dns'])}"


class Plan(TypedDict):
    """Which web machines lack a certificate, and which one asks, or has one for the others."""

    due: list[str]
    source: str


def plan(
    machines: Sequence[str],
    recorded: Sequence[Mapping[str, Any]],
    wanted: Certificate,
) -> Plan:
    """Return who asks the authority in this run, and who takes a copy.

    One order for all of them: an authority counts orders for the same names.

    Args:
        machines: the web machines of this run.
        recorded: what each served when the run began, {} for none of this kind.
        wanted: from `certificate`.
    """
    if wanted["kind"] != "acme":
        return {"due": [], "source": ""}
    pairs = zip(machines, recorded, strict=True)
    due = [machine for machine, served in pairs if lacks(served, wanted["names"])]
    have = [machine for machine in machines if machine not in due]
    return {"due": due, "source": (have or list(machines))[0] if due else ""}


def lacks(served: Mapping[str, Any], names: Sequence[str]) -> bool:
    """Whether what a machine serves is not what it is to serve."""
    is_real = served.get("kind") == "acme" and not served.get("problem")
    return not is_real or set(served["names"]) != set(names)


def is_public(name: str) -> bool:
    """Whether a public authority could give a certificate for a name or an address."""
    if is_ip_address(name):
        return ipaddress.ip_address(name).is_global
    is_private = any(name == end or name.endswith(f".{end}") for end in PRIVATE_ENDINGS)
    return "." in name and not is_private


def _why(private: Sequence[str], public: Sequence[str]) -> str:
    if public:
        return (
            f"The certificate is not for {', '.join(private)}, which public DNS cannot have: "
            "browsers warn there. An authority of your own (`certificate: {authority: …}` in "
            "project.yml) gives certificates for all of them."
        )
    if is_ip_address(private[0]):
        reason = f"{private[0]} is no public address"
        remedy = "write `domains:` in project.yml with a name that public DNS leads here"
    else:
        reason = f"{private[0]} is no public name"
        remedy = "a name that public DNS has, in `domains:` of project.yml, gets a real one"
    return f"The certificate is self-signed: {reason}; {remedy}."
