"""The diagram shows every machine, service and link of a topology, and nothing twice."""

from __future__ import annotations

import re
import shutil
from collections import Counter
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from espalier import diagram
from espalier.inventory.services import TUNNELS
from espalier.inventory.topology import compute

ROOT = Path(__file__).resolve().parents[2]
EVERY_TIER = ["replicas", "pgbouncer", "redis", "app_servers", "failover"]


def full() -> dict[str, Any]:
    """Every tier, on machines with several duties, one or none."""
    names = ("web1", "app1", "app2", "db1", "db2", "db3", "spare")
    machines = {
        name: {"address": f"10.0.0.{number}", "public_address": f"203.0.113.{number}"}
        for number, name in enumerate(names, 1)
    }
    duties = {"web": ["web1"], "app": ["web1", "app1", "app2"], "db": ["db1", "db2", "db3"]}
    return compute(machines, duties, EVERY_TIER)


def place(end: dict[str, str]) -> str:
    return f"{end['machine']}/{end['service']}"


def arrows(source: str) -> dict[tuple[str, str], str]:
    """Give the arrows of a graph and their texts; an arrow with two heads is one each way."""
    found: Counter[tuple[str, str]] = Counter()
    texts = {}
    for begin, end, rest in re.findall(r'^"([^"]+)" -> "([^"]+)" \[(.*)\]$', source, re.M):
        for ends in [(begin, end)] + [(end, begin)] * ('dir="both"' in rest):
            found[ends] += 1
            texts[ends] = rest
    assert set(found.values()) == {1}
    return texts


def test_every_machine_service_and_link_appears() -> None:
    expected = full()
    source = diagram.draw(expected)
    for name, machine in expected["machines"].items():
        assert f'subgraph "cluster_{name}"' in source
        for service in set(machine["services"]) - set(TUNNELS.values()):
            assert source.count(f'\n"{name}/{service}" [label=') == 1
    drawn = arrows(source)
    for link in diagram.straight(expected["links"], expected["services"]):
        text = drawn[place(link["source"]), place(link["target"])]
        assert link["purpose"] in text
        if not link["address"].startswith(("/", "web.sock")):
            assert f"{link['purpose']} {link['port']}" in text
    links = diagram.straight(expected["links"], expected["services"])
    wanted = {(place(link["source"]), place(link["target"])) for link in links}
    assert ("app1/django", "web1/redis") in wanted  # through the tunnel, which is not drawn
    assert drawn.keys() == wanted | {("visitors", "web1/nginx")}


def test_parallel_links_are_one_arrow() -> None:
    machines = {"vps1": {"address": "10.0.0.1", "public_address": "203.0.113.1"}}
    vps1 = compute(machines, {duty: ["vps1"] for duty in ("web", "app", "db")}, [])
    vps1["links"].append(vps1["links"][-1] | {"purpose": "migrations"})
    assert (
        "queries<br/>migrations"
        in arrows(diagram.draw(vps1))["vps1/django", "vps1/postgresql_primary"]
    )


def test_the_same_topology_gives_the_same_picture() -> None:
    if not shutil.which("dot"):
        pytest.skip("Graphviz is not installed: `espalier/lab/prerequisites diagram` installs it")
    source = diagram.draw(full())
    picture = diagram.render(source)
    assert picture == diagram.render(diagram.draw(full()))
    texts = "".join(ElementTree.fromstring(picture).itertext())
    for text in ("web1", "203.0.113.1 · 10.0.0.1", "PostgreSQL primary", "10.0.0.4:5432"):
        assert text in texts


@pytest.mark.parametrize("inventory", sorted((ROOT / "docs" / "diagrams").iterdir()))
def test_the_docs_have_a_picture_of_each_inventory(inventory: Path) -> None:
    picture = (ROOT / "docs" / "images" / f"{inventory.name}.svg").read_text()
    nodes = set(re.findall(r"<title>([^<&]+/[^<&]+)</title>", picture))
    machines = diagram.read_topology(str(inventory))["machines"]
    assert nodes == {
        f"{name}/{service}"
        for name, machine in machines.items()
        for service in set(machine["services"]) - set(TUNNELS.values())
    }
