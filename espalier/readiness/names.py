"""Where domains lead to, as the control machine sees it."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Collection, Iterable
from threading import Thread

from espalier.inventory.addresses import is_ip_address
from espalier.readiness.findings import Finding, note, ok

CHECK = "domain"
TIMEOUT = 5  # seconds


def resolve(names: Iterable[str]) -> dict[str, frozenset[str]]:
    """The addresses of names, asked all at once; none where there is no answer in time."""
    found: dict[str, frozenset[str]] = dict.fromkeys(names, frozenset())

    def ask(name: str) -> None:
        with contextlib.suppress(OSError, UnicodeError):
            found[name] = frozenset(str(one[4][0]) for one in socket.getaddrinfo(name, None))

    # Python would wait at its end for the threads of a pool, however long a resolver takes.
    threads = [Thread(target=ask, args=(name,), daemon=True) for name in found]
    for thread in threads:
        thread.start()
    end = time.monotonic() + TIMEOUT
    for thread in threads:
        thread.join(max(end - time.monotonic(), 0))
    return dict(found)


def domain(name: str, found: Collection[str], wanted: Collection[str]) -> Finding:
    """Whether a domain leads to the site.

    Args:
        name: the domain.
        found: the addresses that it resolves to.
        wanted: the addresses of the machines that take traffic.
    """
    there = ", ".join(sorted(wanted))
    if found and not wanted:
        return ok(CHECK, f"{name} leads to {', '.join(sorted(found))}")
    if not found:
        kind = "AAAA" if wanted and all(":" in one for one in wanted) else "A"
        record = f"{kind} record with {there or 'the address of the site'}"
        return note(
            CHECK, f"{name} does not resolve yet: where you manage its zone, add an {record}"
        )
    if set(found) & set(wanted):
        return ok(CHECK, f"{name} leads to {there}")
    return note(
        CHECK,
        f"{name} leads to {', '.join(sorted(found))}, and the site is at {there}: change the "
        "record, unless a proxy in front of the site is meant",
    )


def domains(names: Iterable[str], hosts: Iterable[str]) -> list[Finding]:
    """Whether domains lead to the machines that take traffic.

    Args:
        names: the domains; an address or a wildcard among them is none.
        hosts: the addresses of the machines, or names of theirs; none where they are not public.
    """
    asked = [name for name in names if not is_ip_address(name) and not name.startswith("*.")]
    hosts = tuple(hosts)
    if not asked:
        return []
    found = resolve([*asked, *hosts])
    wanted = frozenset().union(*(found[host] for host in hosts))
    return [domain(name, found[name], wanted or set(hosts)) for name in asked]
