"""Draw the topology of an inventory: its machines, what runs there, and who talks to whom.

    python -m espalier.diagram inventories/production site.svg

The picture shows what `ansible-inventory --list` says and nothing else, but for tunnels: an arrow
goes from a client to the service at the other end. Graphviz lays it out.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import click

from espalier.inventory.listing import ListingError, read_machines
from espalier.inventory.services import TUNNELS

FONT = "Helvetica,Arial,sans-serif"
INK, QUIET, WIRE = "#1f2937", "#6b7280", "#9ca3af"
# Service -> name for people, background, border. A service that is not here is drawn all the same.
LOOKS = {
    "nginx": ("nginx", "#ecfdf5", "#10b981"),
    "app_proxy": ("nginx for this Django", "#ecfdf5", "#10b981"),
    "media": ("uploads", "#ecfdf5", "#10b981"),
    "django": ("Django", "#dcfce7", "#15803d"),
    "pgbouncer": ("pgbouncer", "#eff6ff", "#60a5fa"),
    "postgresql_primary": ("PostgreSQL primary", "#dbeafe", "#1d4ed8"),
    "postgresql_replica": ("PostgreSQL replica", "#dbeafe", "#1d4ed8"),
    "redis": ("redis (cache)", "#fef2f2", "#ef4444"),
    "queue": ("redis (queue)", "#fef2f2", "#ef4444"),
}
COLOURS = {
    "web": "#15803d",
    "queries": "#1d4ed8",
    "reads": "#1d4ed8",
    "migrations": "#6b7280",
    "replication": "#7c3aed",
    "cache": "#dc2626",
    "jobs": "#dc2626",
    "media": "#b45309",
}


def draw(topology: Mapping[str, Any]) -> str:
    """Describe a topology to Graphviz.

    Args:
        topology: the map that the inventory plugin computes (docs/topology.md).

    Returns:
        The source of a graph. Links between the same two services are one arrow.
    """
    lines = [
        "digraph {",
        # White, so that it can be read on GitHub's dark page too.
        'bgcolor="white" pad=0.2 rankdir=LR nodesep=0.4 ranksep=0.5 newrank=true',
        f'node [shape=plain fontname="{FONT}" fontsize=12 fontcolor="{INK}"]',
        f'edge [fontname="{FONT}" fontsize=10 arrowsize=0.7 penwidth=1.3]',
        f'graph [fontname="{FONT}" style="rounded,filled" fillcolor="#f9fafb" color="#d1d5db"]',
        '"visitors" [shape=box style="rounded,filled" fillcolor="#1f2937" color="#1f2937" '
        'fontcolor="white" margin="0.25,0.1" label="Visitors"]',
    ]
    for name, machine in topology["machines"].items():
        lines += _machine(name, machine)
    for column in _columns(topology["services"]):
        lines.append("{rank=same " + " ".join(f'"{place}"' for place in column) + "}")
    for name in topology["services"]["nginx"]:
        endpoints = topology["machines"][name]["listens"]["nginx"]
        ports = ", ".join(str(endpoint["port"]) for endpoint in endpoints)
        lines.append(_arrow("visitors", f"{name}/nginx", [f"web {ports}"], COLOURS["web"]))
    lines += _arrows(straight(topology["links"], topology["services"]))
    return "\n".join([*lines, "}"]) + "\n"


def straight(
    links: Iterable[Mapping[str, Any]], services: Mapping[str, Sequence[str]]
) -> list[Mapping[str, Any]]:
    """Give the links, those through a tunnel as one from the client to the service."""
    ends = {tunnel: service for service, tunnel in TUNNELS.items()}
    found = []
    for link in links:
        if link["source"]["service"] in ends:
            continue
        service = ends.get(link["target"]["service"])
        if service:
            link = {**link, "target": {"machine": services[service][0], "service": service}}
        found.append(link)
    return found


def _columns(services: Mapping[str, Iterable[str]]) -> list[list[str]]:
    """Give what stands below each other: a service of several machines; primary and replicas."""
    columns: dict[str, list[str]] = {}
    for service, machines in services.items():
        if service in TUNNELS.values():
            continue
        column = "postgresql" if service.startswith("postgresql_") else service
        columns.setdefault(column, []).extend(f"{machine}/{service}" for machine in machines)
    return [places for places in columns.values() if len(places) > 1]


def _machine(name: str, machine: Mapping[str, Any]) -> list[str]:
    """Draw a machine as a box with its services."""
    addresses = dict.fromkeys((machine["public_address"], machine["address"]))
    duties = ", ".join(machine["duties"]) or "no duty"
    title = (
        f'<b><font point-size="14" color="{INK}">{escape(name)}</font></b>'
        f'<font point-size="10" color="{QUIET}"><br align="left"/>{escape(duties)}'
        f'<br align="left"/>{escape(" · ".join(addresses))}</font><br align="left"/>'
    )
    # Arrows come down from the web machines, so the others have their titles where none arrive.
    place = "t" if "nginx" in machine["services"] else "b"
    lines = [f'subgraph "cluster_{name}" {{ margin=14 labeljust=l labelloc={place} label=<{title}>']
    shown = [service for service in machine["services"] if service not in TUNNELS.values()]
    lines += [_service(name, service, machine["listens"]) for service in shown]
    if not machine["services"]:
        lines.append(f'"{name}/" [label=<<font color="{QUIET}">nothing runs here yet</font>>]')
    return [*lines, "}"]


def _service(machine: str, service: str, listens: Mapping[str, Any]) -> str:
    """Draw a service: its name, and where it listens."""
    label, fill, line = LOOKS.get(service, (service.replace("_", " "), "#f3f4f6", "#6b7280"))
    where = "<br/>".join(dict.fromkeys(_endpoint(e) for e in listens.get(service, ())))
    return (
        f'"{machine}/{service}" [label=<<table border="1" cellborder="0" cellspacing="0" '
        f'cellpadding="7" style="rounded" bgcolor="{fill}" color="{line}"><tr><td>'
        f'<b>{escape(label)}</b><br/><font point-size="10" color="{QUIET}">{where}</font>'
        "</td></tr></table>>]"
    )


def _endpoint(endpoint: Mapping[str, Any]) -> str:
    """Write where a service listens, as people write it."""
    address, port = endpoint["address"], endpoint["port"]
    if address.startswith("/") or not port:
        return escape(address)
    return escape(f"[{address}]:{port}" if ":" in address else f"{address}:{port}")


def _arrows(links: Iterable[Mapping[str, Any]]) -> list[str]:
    """Draw links, those between the same two services as one arrow."""
    merged: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for link in links:
        source, target = (f"{link[end]['machine']}/{link[end]['service']}" for end in ENDS)
        label = f"{link['purpose']} {_port(link)}".strip()
        merged.setdefault((source, target), []).append((label, link["purpose"]))
    lines = []
    for (source, target), labels in merged.items():
        texts = list(dict.fromkeys(label for label, _ in labels))
        colour = COLOURS.get(labels[0][1], QUIET)
        both = (target, source) in merged
        if not both or source < target:
            lines.append(_arrow(source, target, texts, colour, labels[0][1], both))
    return lines


ENDS = ("source", "target")


def _port(link: Mapping[str, Any]) -> str:
    """Give a link's port, or "" where it goes over a unix socket."""
    local = link["address"].startswith("/") or not link["port"]
    return "" if local else str(link["port"])


def _arrow(
    source: str,
    target: str,
    texts: Iterable[str],
    colour: str,
    purpose: str = "",
    both: bool = False,
) -> str:
    """Draw one arrow with its texts below each other."""
    label = "<br/>".join(escape(text) for text in texts)
    style = ' style="dashed"' if purpose in ("replication", "migrations") else ""
    style += ' dir="both"' if both else ""
    beside = ""
    if purpose == "replication":
        # Between equals: it goes straight up, with its text beside the line.
        style += " constraint=false"
        beside = '<td width="104"></td>'
    # A table keeps the text off its line.
    label = f'<table border="0" cellpadding="3"><tr>{beside}<td>{label}</td></tr></table>'
    return (
        f'"{source}" -> "{target}" [label=<{label}> color="{colour}" fontcolor="{colour}"{style}]'
    )


class DiagramError(Exception):
    """The picture cannot be drawn; says why."""


def render(source: str) -> str:
    """Lay a graph out with Graphviz; gives SVG, the same for the same graph and fonts.

    Raises DiagramError where Graphviz is not installed, or does not take the graph.
    """
    try:
        done = subprocess.run(["dot", "-Tsvg"], input=source, capture_output=True, text=True)
    except FileNotFoundError as error:
        raise DiagramError(
            "Graphviz is not installed: its program `dot` draws the picture. Install graphviz."
        ) from error
    if done.returncode:
        raise DiagramError(done.stderr.strip())
    # Its comments name the version of Graphviz, which would make needless differences.
    return re.sub(r"<!--.*?-->\n?", "", done.stdout, flags=re.DOTALL)


def read_topology(inventory: str | Path, arguments: Sequence[str] = ()) -> dict[str, Any]:
    """Give an inventory's topology; ListingError if Ansible refuses the inventory."""
    machines = read_machines(inventory, arguments)
    topology: dict[str, Any] = next(iter(machines.values()))["topology"]
    return topology


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("inventory", type=Path)
@click.argument("out", type=Path)
def main(inventory: Path, out: Path) -> None:
    """Draw the topology of INVENTORY as OUT (SVG)."""
    try:
        out.write_text(render(draw(read_topology(inventory))))
    except (DiagramError, ListingError) as error:
        sys.exit(f"diagram: {error}")
    click.echo(out)


if __name__ == "__main__":
    main(prog_name="python -m espalier.diagram")
