"""What the firewall lets through, asked by real connections: of neighbours and of this machine."""

from __future__ import annotations

import json
import socket
import subprocess
from collections.abc import Callable, Iterator
from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from espalier.environment import plain_environment
from espalier.inventory.services import SERVICES
from espalier.wiring.firewall import firewall_settings
from tests.infra.conftest import ROOT, playbook

testinfra_hosts = ["ansible://all"]

PORTS = sorted({port for service in SERVICES.values() for port in service.ports})
SPARE = 7007  # nobody's; a program listens there while this is tested
# Prints for each address and port whether a connection is taken, refused, or never answered.
ASK = """
import concurrent.futures, json, socket, sys
def ask(target):
    try: socket.create_connection(target, timeout=2).close()
    except TimeoutError: return "dropped"
    except OSError as error: return str(error)
    return "open"
targets = json.loads(sys.argv[1])
with concurrent.futures.ThreadPoolExecutor(32) as pool: said = list(pool.map(ask, targets))
print(json.dumps(said))
"""
LISTEN = """
import socket, time
server = socket.create_server(("::", %d), family=socket.AF_INET6, dualstack_ipv6=True)
time.sleep(120)
"""


@pytest.fixture
def name(host: Any, hostvars: dict[str, Any], is_lab: bool) -> str:
    """The machine that is asked; a network that is not the lab's may drop more."""
    found = str(host.backend.host)
    if not is_lab or firewall_settings(hostvars[found].get("firewall"))["off"]:
        pytest.skip("only a lab's network is certain to let us ask a firewall")
    return found


@pytest.fixture
def spare(host: Any) -> Iterator[None]:
    """Have a program listen on a port that nobody opened."""
    command = "systemd-run --quiet --collect --unit=firewall-test python3 -c %s"
    host.check_output(command, LISTEN % SPARE)
    host.check_output(f"timeout 20 sh -c 'until ss -Hltn | grep -q :{SPARE}; do sleep 0.1; done'")
    yield
    host.run("systemctl stop firewall-test")


def answers(run: Callable[..., Any], targets: list[list[Any]]) -> dict[int, str]:
    """Give what connections are answered with, by port."""
    said = json.loads(run("python3 -c %s %s", ASK, json.dumps(targets)))
    return dict(zip([target[1] for target in targets], said, strict=True))


def here(command: str, *arguments: str) -> str:
    """Run a command of `answers` on this machine, which is none of the site's."""
    done = subprocess.run(["python3", "-c", *arguments], capture_output=True, text=True, check=True)
    return done.stdout


def expected(topology: dict[str, Any], asked: str, asking: str = "") -> set[int]:
    """The ports that links open for a machine, "" for one that is not the site's."""
    ports = {80, 443} if asked in topology["services"]["nginx"] else set()
    for link in topology["links"]:
        if (link["target"]["machine"], link["source"]["machine"]) == (asked, asking):
            ports.add(link["port"])
    return ports - {0}


@pytest.fixture
def for_readers(
    topology: dict[str, Any], declared: dict[str, Any], name: str
) -> Callable[[str], set[int]]:
    """Give the ports that are open for an address as `database.readers` has it."""
    said = (declared.get("database") or {}).get("readers") or {}
    sources = [one for reader in said.values() for one in reader["from"]]
    is_asked = name in topology["services"]["postgresql_primary"]
    port = SERVICES["postgresql_primary"].ports[0]

    def ports(address: str) -> set[int]:
        is_reader = any(ip_address(address) in ip_network(source) for source in sources)
        return {port} if is_asked and is_reader else set()

    return ports


def test_others_reach_visitors_ports_and_ssh(
    host: Any,
    name: str,
    topology: dict[str, Any],
    for_readers: Callable[[str], set[int]],
    spare: None,
) -> None:
    address = topology["machines"][name]["address"]
    found = answers(here, [[address, port] for port in [22, SPARE, *PORTS]])
    with socket.create_connection((address, 22)) as own:
        opened = {22} | expected(topology, name) | for_readers(own.getsockname()[0])
    assert {port for port, answer in found.items() if answer == "open"} == opened
    assert set(found.values()) == {"open", "dropped"}
    # It is the firewall that drops: on the machine itself the program answers.
    assert answers(host.check_output, [[address, SPARE]]) == {SPARE: "open"}


def test_neighbours_reach_what_the_topology_links(
    host: Any,
    name: str,
    topology: dict[str, Any],
    machine: Any,
    for_readers: Callable[[str], set[int]],
    spare: None,
) -> None:
    others = [other for other in topology["machines"] if other != name]
    if not others:
        pytest.skip("it has no neighbours")
    address = topology["machines"][name]["address"]
    for other in others:
        found = answers(
            machine(other).check_output, [[address, port] for port in [22, SPARE, *PORTS]]
        )
        opened = {port for port, answer in found.items() if answer == "open"}
        read = for_readers(topology["machines"][other]["address"])
        assert opened == {22} | expected(topology, name, other) | read, other
        assert set(found.values()) == {"open", "dropped"}, other


def test_links_are_closed_over_ipv6(
    host: Any, name: str, topology: dict[str, Any], machine: Any, spare: None
) -> None:
    others = [other for other in topology["machines"] if other != name]
    local = host.run("ip -6 -oneline address show scope link").stdout.split()
    if not others or "inet6" not in local:
        pytest.skip("it has no neighbours, or no IPv6")
    interface, address = local[1], local[local.index("inet6") + 1].partition("/")[0]
    targets = [[f"{address}%{interface}", port] for port in [22, SPARE, *PORTS]]
    found = answers(machine(others[0]).check_output, targets)
    opened = {port for port, answer in found.items() if answer == "open"}
    assert opened == {22} | ({80, 443} & expected(topology, name))


@pytest.mark.breaks
@pytest.mark.usefixtures("uninterrupted")
def test_rules_are_loaded_anew_without_a_lost_request(host: Any, name: str) -> None:
    for _ in range(5):
        host.check_output("systemctl reload espalier-firewall")
    # Debian's own unit flushes every table.
    was_active = host.service("nftables").is_running
    host.check_output("systemctl restart nftables")
    host.check_output("nft list chain inet espalier input")
    if not was_active:
        host.check_output("systemctl stop nftables")
        host.check_output("nft list chain inet espalier input")


@pytest.mark.breaks
def test_rules_that_lock_people_out_are_taken_back(
    host: Any, name: str, topology: dict[str, Any], inventory_path: str
) -> None:
    if len(topology["machines"]) > 1:
        pytest.skip("one machine is enough")
    before = host.file("/etc/espalier/firewall.nft").content_string
    wrong = {"firewall_ssh_ports": [2222], "firewall_seconds": 8}
    done = subprocess.run(
        playbook(inventory_path, "--tags", "firewall", "--extra-vars", json.dumps(wrong)),
        cwd=ROOT,
        capture_output=True,
        text=True,
        env=plain_environment(),
    )
    assert done.returncode != 0
    said = " ".join(done.stdout.split())
    assert f"{name}: the firewall was changed, and then no new SSH connection could be had" in said
    assert "So the machine has taken that change back" in said
    assert host.file("/etc/espalier/firewall.nft").content_string == before
    assert "2222" not in host.check_output("nft list table inet espalier")
    assert not host.file("/var/lib/espalier-guard/firewall").exists
