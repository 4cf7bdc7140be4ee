"""Tunnels between machines: who gets through, who does not, and that nothing goes beside them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from espalier.inventory.services import PLAIN_PROXY_PORT, SERVICES, TUNNELS

testinfra_hosts = ["ansible://all"]

# An exit asks for a certificate after the handshake is over for the client (TLS 1.3), so that it is
# what comes back that tells.
ASK = """
import glob, os, ssl, socket, sys
address, port, how = sys.argv[1], int(sys.argv[2]), sys.argv[3]
context = ssl._create_unverified_context()
if how == "machine":
    own = max(glob.glob("/etc/espalier/tls/*/machine.crt"), key=os.path.getmtime)
    context.load_cert_chain(own, own[:-3] + "key")
try:
    with socket.create_connection((address, port), 5) as plain:
        talk = plain if how == "plain" else context.wrap_socket(plain)
        talk.sendall(b"PING\\r\\n\\r\\n")
        print(talk.recv(200).decode(errors="replace").split("\\r\\n")[0] or "closed")
except OSError as error:
    print("refused", type(error).__name__)
"""


@pytest.fixture
def entrances(topology: Any, host: Any) -> list[dict[str, Any]]:
    """The links from this machine's ends of tunnels to other machines'."""
    here = host.backend.host
    found = [
        link
        for link in topology["links"]
        if link["source"]["machine"] == here != link["target"]["machine"]
        and link["source"]["service"] in TUNNELS.values()
    ]
    if not found:
        pytest.skip("no client of another machine's service runs here")
    return found


@pytest.fixture
def ask(host: Any) -> Callable[[str, int, str], str]:
    """Connect from this machine: with its certificate, with none, or in the clear."""
    return lambda address, port, how: host.check_output(
        "python3 -c %s %s %s %s", ASK, address, str(port), how
    )


def test_machine_of_the_site_gets_through(entrances: Any, ask: Any, topology: Any) -> None:
    for link in entrances:
        answer = ask(link["address"], link["port"], "machine")
        expected = "HTTP/1.1 400" if link["purpose"] == "media" else "-NOAUTH"
        assert answer.startswith(expected), (link, answer)
        # In the clear only on the machine itself, at the entrance.
        (entrance,) = topology["machines"][link["source"]["machine"]]["listens"][
            link["source"]["service"]
        ]
        assert entrance["address"] == "127.0.0.1"
        assert ask("127.0.0.1", entrance["port"], "plain").startswith(expected)


@pytest.mark.parametrize("how", ["plain", "nobody"])
def test_who_shows_no_certificate_of_the_site_does_not(entrances: Any, ask: Any, how: str) -> None:
    for link in entrances:
        answer = ask(link["address"], link["port"], how)
        assert answer.startswith(("refused", "closed")), (link, answer)


@pytest.mark.breaks  # a second haproxy runs beside that of the machine
def test_entrance_speaks_with_the_machine_that_is_meant_and_no_other(
    host: Any, entrances: Any, ask: Any
) -> None:
    """The same haproxy beside the one that runs, with one thing changed: what must not work."""
    link, port, folder = entrances[0], 7390, "/run/espalier-test-tunnel"
    spoilt = {
        "as it is": ("", ""),
        "another name": (r"verifyhost [^ ]*", "verifyhost other.example"),
        "another authority": (r"ca-file [^ ]*", "ca-file /etc/ssl/certs/ca-certificates.crt"),
    }
    name = f"{link['target']['service'].removesuffix('_tunnel')}-entrance"
    found = {}
    for what, (old, new) in spoilt.items():
        script = f"""
            set -e; rm -rf {folder}; mkdir {folder}; cd {folder}
            {{ sed -n '/^listen/q;/stats socket/d;p' /etc/haproxy/haproxy.cfg
               sed -n '/^listen {name}$/,/^$/p' /etc/haproxy/haproxy.cfg; }} > cfg
            sed -i 's/bind 127[.]0[.]0[.]1:[0-9]*/bind 127.0.0.1:{port}/' cfg
            [ -z '{old}' ] || sed -i 's#{old}#{new}#' cfg
            haproxy -q -D -f cfg -p pid
        """
        host.check_output("bash -c %s", script)
        try:
            found[what] = ask("127.0.0.1", port, "plain")
        finally:
            host.check_output(f"kill $(cat {folder}/pid) && rm -r {folder}")
    assert found.pop("as it is").startswith(("-NOAUTH", "HTTP/1.1 400"))
    assert all(answer.startswith(("closed", "refused")) for answer in found.values()), found


def test_nothing_between_machines_goes_beside_the_tunnels(host: Any, topology: Any) -> None:
    """No connection from or to another machine of the site at a port that speaks in the clear."""
    own = {one["address"] for one in topology["machines"].values()}
    plain = {PLAIN_PROXY_PORT, *(SERVICES[service].port for service in TUNNELS)}
    beside = []
    for line in host.check_output("ss -Htn state established").splitlines():
        here, there = (end.rsplit(":", 1) for end in line.split()[2:4])
        if here[0] != there[0] and there[0] in own and plain & {int(here[1]), int(there[1])}:
            beside.append(line)
    assert beside == []


def test_record_says_which_ends_are_here(host: Any, topology: Any) -> None:
    record = json.loads(host.file("/etc/ansible/facts.d/espalier.fact").content_string)
    named = {TUNNELS[end["name"].partition("-")[0]] for end in record["tunnels"]}
    services = topology["machines"][host.backend.host]["services"]
    assert named == set(services) & set(TUNNELS.values())
