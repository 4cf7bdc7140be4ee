"""The types of the map: what `topology.compute` takes and returns (see docs/topology.md)."""

from __future__ import annotations

from typing import NotRequired, TypedDict


class Machine(TypedDict):
    """A machine as the user wrote it: its private address and the address Ansible connects to.

    `private` says whether `private_address` was written, rather than taken from `ansible_host`.
    """

    address: str
    public_address: str
    private: NotRequired[bool]


class Endpoint(TypedDict):
    """Where a service listens: an IP address, host name or socket, and a port (0: none)."""

    address: str
    port: int


class Place(TypedDict):
    """One service on one machine."""

    machine: str
    service: str


class Link(TypedDict):
    """One service connecting to another: from where, to where, at which endpoint, what for."""

    source: Place
    target: Place
    address: str
    port: int
    purpose: str


class PlacedMachine(TypedDict):
    """A machine in the topology: what it is for, what runs on it, who may reach that.

    Attributes:
        address: its private address, where it listens for other machines.
        public_address: where Ansible connects to.
        duties: the duties that the user gave it.
        services: what runs on it, in the order of the table of services.
        listens: service -> its endpoints.
        clients: service -> private addresses of the other machines that connect to it.
        access: access -> who may use it: private addresses of other machines, or `local` for this
            machine itself. An access is a service, but for `replication` (replicas) and `pooling`
            (a pool on the same machine), which PostgreSQL grants by rules of their own.
        links: service -> purpose -> the links that go out from it.
    """

    address: str
    public_address: str
    duties: list[str]
    services: list[str]
    listens: dict[str, list[Endpoint]]
    clients: dict[str, list[str]]
    access: dict[str, list[str]]
    links: dict[str, dict[str, list[Link]]]


class Topology(TypedDict):
    """The whole map, as plain data (see docs/topology.md)."""

    tiers: list[str]
    services: dict[str, list[str]]
    machines: dict[str, PlacedMachine]
    links: list[Link]
