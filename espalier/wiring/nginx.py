"""What nginx is told: where Django answers, and for which names its certificate is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from espalier.inventory.addresses import is_ip_address
from espalier.inventory.model import Endpoint, Link
from espalier.inventory.services import SERVICES
from espalier.project.proxy_ranges import RANGES


def upstreams(links: Sequence[Link], socket: str) -> list[Endpoint]:
    """Return where Django answers, machine by machine.

    Args:
        links: those with the purpose `web` that go out from nginx on this machine.
        socket: of the project on this machine. The topology knows no project, so that its
            `web.sock` stands for it.
    """
    local = SERVICES["django"].local
    return [
        {"address": socket if link["address"] == local else link["address"], "port": link["port"]}
        for link in links
    ]


def certificate_names(domains: Sequence[str]) -> str:
    """Return a certificate's subjectAltName for the site's names, in openssl's words."""
    return ",".join(f"{'IP' if is_ip_address(domain) else 'DNS'}:{domain}" for domain in domains)


def are_names(domains: Sequence[str]) -> bool:
    """Return whether all the site's names are names, and none is an address."""
    return not any(is_ip_address(domain) for domain in domains)


def hsts(certificate: Mapping[str, object], said: bool | None) -> bool:
    """Return whether browsers are told to come by HTTPS only.

    Args:
        certificate: what the machine knows of its own (`renewals`: how often it was renewed).
        said: by `hsts` in project.yml, None if nothing.
    """
    if said is not None:
        return said
    # A renewal proves that the certificate lasts: browsers that were told would not come otherwise.
    return int(str(certificate.get("renewals") or 0)) > 0


def proxy_ranges(proxies: Sequence[str]) -> list[str]:
    """Return the ranges of `trusted_proxies`: a provider's name stands for those in its list."""
    return list(dict.fromkeys(one for proxy in proxies for one in RANGES.get(proxy, (proxy,))))
