#!/usr/bin/env python3
"""What a visit costs on this version of the kit, against the one before: handshakes and pages.

    bench/visits.py [ROUNDS]

Two lab machines as bench/before.py makes them. In each round both are visited in turn: by new
visitors (a full handshake, TLS 1.2 and 1.3), by visitors who come back (resumed), and for the front
page over connections that stay. Printed is what each costs nginx, Django and PostgreSQL in
processor time, and the ratio of the medians: a busy host moves them less than seconds.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import statistics
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from before import SIDES, both, renew
from run import over_ssh

ROUNDS, COUNT = 5, 500
NAME = "orchard.example"
VERSIONS = {"TLS 1.2": ssl.TLSVersion.TLSv1_2, "TLS 1.3": ssl.TLSVersion.TLSv1_3}


def processor_time(address: str) -> float:
    """Return the seconds of processor time that nginx, Django and PostgreSQL have taken so far."""
    # A process may end between the two.
    every = "for pid in $(pgrep -u www-data,orchard,postgres); do cat /proc/$pid/stat; done; true"
    said = over_ssh(address, every)
    # User and system time, its own and of children that have ended, in hundredths of a second.
    times = (line.rpartition(")")[2].split()[11:15] for line in said.splitlines())
    return sum(int(ticks) for found in times for ticks in found) / 100


def context(version: ssl.TLSVersion) -> ssl.SSLContext:
    """Return a visitor's settings of one TLS version; the lab's certificate is self-signed."""
    found = ssl.create_default_context()
    found.check_hostname, found.verify_mode = False, ssl.CERT_NONE
    found.minimum_version = found.maximum_version = version
    return found


def connect(address: str) -> socket.socket:
    """Return a connection that waits for nobody's acknowledgement before it sends."""
    plain = socket.create_connection((address, 443), 20)
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return plain


def handshakes(address: str, version: ssl.TLSVersion, *, resumed: bool) -> None:
    """Come and go COUNT times."""
    of, session = context(version), None
    for _ in range(COUNT):
        plain = connect(address)
        with of.wrap_socket(plain, server_hostname=NAME, session=session) as connection:
            connection.sendall(f"HEAD /static/nothing HTTP/1.0\r\nHost: {NAME}\r\n\r\n".encode())
            # With TLS 1.3 what resumes a session comes with the first answer.
            while connection.recv(4096):
                pass
            if resumed and session is not None and not connection.session_reused:
                sys.exit(f"{address} resumes no session")
            session = connection.session if resumed else None


def pages(address: str) -> None:
    """Get the front page COUNT times by one connection."""
    connection = http.client.HTTPSConnection(NAME, timeout=20, context=context(VERSIONS["TLS 1.3"]))
    connection._create_connection = lambda *_, **__: connect(address)  # type: ignore[attr-defined]
    for _ in range(COUNT):
        connection.request("GET", "/")
        response = connection.getresponse()
        if response.status != 200:
            sys.exit(f"{address} answers {response.status}")
        response.read()
    connection.close()


def compare(what: str, rounds: int, visit: Callable[[str], None]) -> None:
    """Visit both machines in turn, and print what one visit costs."""
    costs: dict[str, list[float]] = {name: [] for name in SIDES}
    for _ in range(rounds):
        for name, network in SIDES.items():
            address = f"{network}.11"
            began = processor_time(address)
            visit(address)
            costs[name].append((processor_time(address) - began) / COUNT * 1000)
    medians = {name: statistics.median(found) for name, found in costs.items()}
    print(
        f"{what:<28} before {medians['before']:.2f} ms, now {medians['now']:.2f} ms; "
        f"ratio {medians['now'] / medians['before']:.2f}",
        flush=True,
    )


def main() -> None:
    """Make both machines, and visit them."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    with tempfile.TemporaryDirectory() as folder:
        sides = both(Path(folder))
        try:
            for side in sides:
                renew(side)
                side.converge()
            for name, version in VERSIONS.items():
                for how, resumed in (("full", False), ("resumed", True)):

                    def visit(address: str, v: ssl.TLSVersion = version, r: bool = resumed) -> None:
                        handshakes(address, v, resumed=r)

                    compare(f"{name}, {how} handshake", rounds, visit)
            compare("front page", rounds, pages)
        finally:
            for side in sides:
                side.lab("down")


if __name__ == "__main__":
    main()
