"""The topology: which service runs on which machine, and who talks to whom.

`compute` is a pure function from what the user wrote (machines, groups, tiers) to plain data.
`InventoryModule` is the thin Ansible shell around it: it reads the inventory, turns every service
into a real Ansible group and puts the data on the group `all` as the variable `topology`.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NamedTuple, NotRequired, TypedDict

from ansible.errors import AnsibleParserError
from ansible.inventory.helpers import get_group_vars
from ansible.plugins.inventory import BaseInventoryPlugin
from ansible.template import trust_as_template
from ansible.utils.vars import combine_vars
from ansible.vars.plugins import get_vars_from_inventory_sources

DOCUMENTATION = """
name: topology
short_description: Compute which service runs on which machine
description:
  - Reads machines, duty groups and the list C(tiers) from the inventory sources before it
    (C(hosts.yml) beside it), and computes the service groups and the variable C(topology).
  - Refuses an inventory that makes no sense, before any machine is touched.
options:
  plugin:
    description: Names this plugin, so that Ansible knows who reads the file.
    required: true
    choices: [topology]
"""

EXAMPLES = """
# inventories/production/topology.yml, the whole file
plugin: topology
"""


class Service(NamedTuple):
    """What is fixed about a service: its duty, its port (0: unix socket), its local address.

    `local` is the address for clients on the same machine: a socket, its directory, or an IP
    address; "" when such clients use the machine's private address too.
    """

    duty: str
    port: int
    local: str


DUTIES = ("web", "app", "db", "cache", "monitor", "backup")
REQUIRED_DUTIES = ("web", "app", "db")
TIERS = ("replicas", "pgbouncer", "redis", "app_servers", "failover")
SERVICES: dict[str, Service] = {
    "nginx": Service("web", 80, "*"),
    "app_proxy": Service("app", 8080, ""),
    "django": Service("app", 0, "web.sock"),
    "media": Service("web", 8090, ""),
    "pgbouncer": Service("db", 6432, "/run/pgbouncer"),
    "postgresql_primary": Service("db", 5432, "/run/postgresql"),
    "postgresql_replica": Service("db", 5432, "/run/postgresql"),
    "redis": Service("cache", 6379, "127.0.0.1"),
    "queue": Service("cache", 6380, "127.0.0.1"),
    "etcd": Service("db", 2379, "127.0.0.1"),
    "patroni": Service("db", 8008, ""),
}
# Wherever the machine has a private network, these listen there from the start: PostgreSQL
# and pgbouncer could not add an address later without a restart.
PRIVATE_SERVICES = ("pgbouncer", "postgresql_primary", "postgresql_replica", "redis", "queue")
NGINX_HTTPS_PORT = 443
ETCD_PEER_PORT = 2380
ETCD_MEMBERS = 3


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
    """A machine in the topology: what it is for, what runs on it, who may reach that."""

    address: str
    public_address: str
    duties: list[str]
    services: list[str]
    listens: dict[str, list[Endpoint]]
    clients: dict[str, list[str]]


class Topology(TypedDict):
    """The whole map, as plain data (see docs/topology.md)."""

    tiers: list[str]
    services: dict[str, list[str]]
    machines: dict[str, PlacedMachine]
    links: list[Link]


class TopologyError(ValueError):
    """The inventory makes no sense; says what is wrong, where, and what to write instead."""


def compute(
    machines: Mapping[str, Machine], duties: Mapping[str, Sequence[str]], tiers: Sequence[str]
) -> Topology:
    """Compute the topology from what the user wrote.

    Args:
        machines: every machine by name, in the order of `hosts.yml`.
        duties: every group the user wrote, with its machines in order. Groups that are no duty
            are ignored, but for names that are reserved or look like a slip.
        tiers: the tiers that are on, in any order.

    Returns:
        The topology; its `services` has every known service, with no machine when it is off.

    Raises:
        TopologyError: the input makes no sense; nothing was changed.
    """
    _check_machines(machines)
    _check_groups(machines, duties)
    ladder = _check_tiers(tiers)
    members = {duty: list(dict.fromkeys(duties.get(duty, ()))) for duty in DUTIES}
    _check_duties(members, duties)
    _check_tier_needs(ladder, members)
    services = _place(ladder, members)
    _check_reachable(machines, services)
    links = _links(machines, services)
    return {
        "tiers": ladder,
        "services": services,
        "machines": {
            name: _placed(name, machine, members, services, links, machines)
            for name, machine in machines.items()
        },
        "links": links,
    }


# -- refusals --------------------------------------------------------------------------------------


def _check_machines(machines: Mapping[str, Machine]) -> None:
    """Refuse machines without a usable address, and one machine under two names."""
    if not machines:
        raise TopologyError(
            "No machine is known. Write the machines in hosts.yml under `all: hosts:`, and give "
            "Ansible the inventory's directory (`-i inventories/production`), not one file of it."
        )
    seen: dict[tuple[str, str], str] = {}
    for name, machine in machines.items():
        if name in SERVICES or name in DUTIES:
            kind = "service" if name in SERVICES else "duty"
            raise TopologyError(
                f"A machine in hosts.yml is called `{name}`, which is the name of a {kind}, so "
                f"plays for the {kind} would run on it too. Give it another name, such as "
                f"`{name}1`."
            )
        for variable, key in (("ansible_host", "public_address"), ("private_address", "address")):
            address = machine[key]
            _check_address(name, variable, address)
            other = seen.setdefault((key, _canonical(address)), name)
            if other != name:
                raise TopologyError(
                    f"`{other}` and `{name}` in hosts.yml have the same `{variable}` {address}: "
                    f"the same machine twice. Remove `{name}` and put `{other}` into every duty "
                    f"group that it serves, or correct the address."
                )


def _check_address(name: str, variable: str, address: object) -> None:
    """Refuse an address that other machines or Ansible could not use as it stands."""
    where = f"`{variable}` of the machine `{name}` in hosts.yml"
    if address is None or (isinstance(address, str) and not address.strip()):
        instead = (
            "the address that Ansible connects to, or remove the key to connect to "
            f"the name `{name}`"
            if variable == "ansible_host"
            else "its address in the private network, or remove the key to use `ansible_host`"
        )
        raise TopologyError(f"{where} is empty. Write {instead}.")
    if _is_template(address):
        raise TopologyError(
            f"{where} is a template ({address}), but the topology is computed before templates "
            "are. Write the address itself, such as 10.0.0.10."
        )
    if not isinstance(address, str) or "/" in address or len(address.split()) != 1:
        raise TopologyError(
            f"{where} is {address!r}, which is no address. Write one IP address or host name, "
            "without a network length or scheme, such as 10.0.0.10."
        )


def _check_groups(machines: Mapping[str, Machine], groups: Mapping[str, Sequence[str]]) -> None:
    """Refuse groups that are named like a service, or name a machine that does not exist."""
    for group, names in groups.items():
        if group in SERVICES:
            raise TopologyError(
                f"hosts.yml has a group `{group}`, which is a service: where services run is "
                f"computed, never typed. Remove the group and put its machines into the duty "
                f"group `{SERVICES[group].duty}`, or give the group another name."
            )
        for name in names:
            if name not in machines:
                raise TopologyError(
                    f"The group `{group}` in hosts.yml names the machine `{name}`, which is not "
                    "under `all: hosts:`. Add it there, or correct the name."
                )


def _check_tiers(tiers: object) -> list[str]:
    """Return the tiers in ladder order, or refuse the value."""
    known = ", ".join(TIERS)
    example = "Write a list under `all: vars:`, such as `tiers: [pgbouncer, redis]`, or `tiers: []`"
    if tiers is None:
        raise TopologyError(
            f"`tiers` is missing from hosts.yml, or empty. {example} for the single-VPS baseline."
        )
    if _is_template(tiers):
        raise TopologyError(
            f"`tiers` in hosts.yml is a template ({tiers}), but the topology is computed before "
            f"templates are. {example}."
        )
    if not isinstance(tiers, Sequence) or isinstance(tiers, str | bytes):
        raise TopologyError(f"`tiers` in hosts.yml is {tiers!r}, which is no list. {example}.")
    for position, tier in enumerate(tiers):
        if _is_template(tier):
            raise TopologyError(
                f"`tiers` in hosts.yml has a template in it ({tier}), but the topology is computed "
                f"before templates are. {example}."
            )
        if tier not in TIERS:
            raise TopologyError(
                f"`tiers` in hosts.yml has {tier!r}, which is no tier.{_did_you_mean(tier, TIERS)} "
                f"The tiers are: {known}."
            )
        if tier in tiers[:position]:
            raise TopologyError(
                f"`tiers` in hosts.yml has `{tier}` twice. Write it once; once is on, "
                "absent is off."
            )
    return [tier for tier in TIERS if tier in tiers]


def _check_duties(members: Mapping[str, list[str]], groups: Mapping[str, Sequence[str]]) -> None:
    """Refuse a duty that nobody has, and a group name that is a slip for a missing duty."""
    # No tier of today uses the other duties, so a group called `monitoring` is the user's own.
    for duty in (*REQUIRED_DUTIES, "cache"):
        if members[duty]:
            continue
        slip = _slip(duty, groups)
        if slip:
            raise TopologyError(
                f"hosts.yml has a group `{slip}` and no machine in the group `{duty}`. Did you "
                f"mean `{duty}`? Rename the group `{slip}` to `{duty}`."
            )
        if duty in REQUIRED_DUTIES:
            raise TopologyError(
                f"No machine has the duty `{duty}`. Add one under `all: children:` in hosts.yml, "
                f"such as `{duty}: {{hosts: {{vps1: }}}}`; one machine may have every duty."
            )


def _check_tier_needs(tiers: Sequence[str], members: Mapping[str, list[str]]) -> None:
    """Refuse tiers that the machines cannot carry."""
    for tier, duty in (("replicas", "db"), ("app_servers", "app")):
        if tier in tiers and len(members[duty]) < 2:
            raise TopologyError(
                f"The tier `{tier}` needs two machines in the group `{duty}`, and hosts.yml has "
                f"one ({members[duty][0]}). Add a second one to `{duty}`, or remove `{tier}` "
                f"from `tiers`."
            )
    if "failover" not in tiers:
        return
    if "replicas" not in tiers:
        raise TopologyError(
            "The tier `failover` in hosts.yml promotes a replica, and the tier `replicas` is off. "
            "Write `replicas` into `tiers` as well, or remove `failover`."
        )
    voters = _voters(members)
    if len(voters) < ETCD_MEMBERS:
        raise TopologyError(
            f"The tier `failover` needs {ETCD_MEMBERS} machines in the groups db, app and web "
            f"together, so that two still agree when one is lost; hosts.yml has {len(voters)} "
            f"({', '.join(voters)}). Add a machine to one of them, or remove `failover` from "
            "`tiers`."
        )


def _check_reachable(
    machines: Mapping[str, Machine], services: Mapping[str, Sequence[str]]
) -> None:
    """Refuse an address that the services of several machines could not use between them."""
    used = _unique(name for names in services.values() for name in names)
    for name in used if len(used) > 1 else ():
        address = machines[name]["address"]
        if not _is_ipv4(address):
            raise TopologyError(
                f"The private address of the machine `{name}` in hosts.yml is {address}, and "
                "between several machines the kit uses IPv4 addresses: what they listen on and "
                "whom they admit is written down as such. Write `private_address:` with the "
                "machine's IPv4 address in the network that the machines share, such as 10.0.0.10."
            )
        if _is_loopback(address):
            raise TopologyError(
                f"The private address of the machine `{name}` in hosts.yml is {address}, which "
                "only that machine itself can reach. Write `private_address:` with its address in "
                "the network that the machines share, such as 10.0.0.10."
            )


def _slip(duty: str, groups: Mapping[str, Sequence[str]]) -> str:
    """Return the user's group that looks like a misspelt duty, or ""."""
    others = {g.lower(): g for g, names in groups.items() if names and g not in DUTIES}
    # `webservers` for `web` is a slip where `web` must exist; `cache_warmers` may well be meant.
    prefixed = [g for g in others if duty in REQUIRED_DUTIES and g.startswith(duty)]
    found = get_close_matches(duty, others, 1, 0.8) or prefixed
    return others[found[0]] if found else ""


def _did_you_mean(word: object, known: Iterable[str]) -> str:
    """Return " Did you mean `x`?", or "" when nothing is near."""
    near = get_close_matches(str(word).lower().replace("-", "_"), known, 1)
    return f" Did you mean `{near[0]}`?" if near else ""


def _is_template(value: object) -> bool:
    return isinstance(value, str) and ("{{" in value or "{%" in value)


def _is_ipv4(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).version == 4
    except ValueError:
        return False


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address.lower() == "localhost"


def _canonical(address: str) -> str:
    """Return one spelling per address, so that `::1` and `0:0:0:0:0:0:0:1` are the same."""
    try:
        return str(ipaddress.ip_address(address))
    except ValueError:
        return address.lower().rstrip(".")


# -- placement -------------------------------------------------------------------------------------


def _unique(names: Iterable[str]) -> list[str]:
    """Return the names without repeats, in order of first appearance."""
    return list(dict.fromkeys(names))


def _voters(members: Mapping[str, list[str]]) -> list[str]:
    """Return the machines that may hold etcd, best first: the db machines must reach it most."""
    return _unique([*members["db"], *members["app"], *members["web"]])


def _place(tiers: Sequence[str], members: Mapping[str, list[str]]) -> dict[str, list[str]]:
    """Return the machines of every known service."""
    web, app, db = members["web"], members["app"], members["db"]
    django = app if "app_servers" in tiers else app[:1]
    replicas = db[1:] if "replicas" in tiers else []
    # Without a cache machine, the first app machine: it is the one that asks most.
    redis = (members["cache"] or app)[:1] if "redis" in tiers else []
    failover = "failover" in tiers
    placed = {
        "nginx": web,
        # Another machine's nginx cannot reach a unix socket; this proxy can, and keeps the
        # switch of a release what it is on one machine: the rename of a symlink.
        "app_proxy": [name for name in django if any(other != name for other in web)],
        "django": django,
        # Uploads are on the first web machine's disk; this gives them to the other machines.
        "media": web[:1] if {*web, *django} - {web[0]} else [],
        "pgbouncer": [db[0], *replicas] if "pgbouncer" in tiers else [],
        "postgresql_primary": db[:1],
        "postgresql_replica": replicas,
        # Two of them: a cache may lose everything, a queue nothing.
        "redis": redis,
        "queue": redis,
        "etcd": _voters(members)[:ETCD_MEMBERS] if failover else [],
        "patroni": db if failover else [],
    }
    return {service: list(placed[service]) for service in SERVICES}


def _links(machines: Mapping[str, Machine], services: Mapping[str, list[str]]) -> list[Link]:
    """Return every connection between services, grouped by kind, in the order of the machines."""

    def link(source: tuple[str, str], target: tuple[str, str], purpose: str, port: int = 0) -> Link:
        """Return the link between two (service, machine); port 0 is the target's own."""
        service = SERVICES[target[0]]
        near = source[1] == target[1] and service.local != ""
        return {
            "source": {"machine": source[1], "service": source[0]},
            "target": {"machine": target[1], "service": target[0]},
            "address": service.local if near else machines[target[1]]["address"],
            "port": port or service.port,
            "purpose": purpose,
        }

    primary, replicas = services["postgresql_primary"], services["postgresql_replica"]
    pooled = bool(services["pgbouncer"])
    databases = [("postgresql_primary", name, "queries") for name in primary] + [
        ("postgresql_replica", name, "reads") for name in replicas
    ]
    links: list[Link] = []
    for web in services["nginx"]:
        for app in services["django"]:
            target = "django" if app == web else "app_proxy"
            links.append(link(("nginx", web), (target, app), "web"))
    for app in services["app_proxy"]:
        links.append(link(("app_proxy", app), ("django", app), "web"))
    for app in services["django"]:
        for service, name, purpose in databases:
            target = "pgbouncer" if pooled else service
            links.append(link(("django", app), (target, name), purpose))
        if pooled:
            # Migrations take session locks, which a transaction pool would hand to others.
            links.append(link(("django", app), ("postgresql_primary", primary[0]), "migrations"))
    if pooled:
        for service, name, purpose in databases:
            links.append(link(("pgbouncer", name), (service, name), purpose))
    for name in replicas:
        links.append(
            link(("postgresql_replica", name), ("postgresql_primary", primary[0]), "replication")
        )
    for app in services["django"]:
        for service, purpose in (("redis", "cache"), ("queue", "jobs")):
            for name in services[service]:
                links.append(link(("django", app), (service, name), purpose))
    for name in services["media"]:
        for service in ("nginx", "django"):
            for other in services[service]:
                if other != name:
                    links.append(link((service, other), ("media", name), "media"))
    for name in services["patroni"]:
        for voter in services["etcd"]:
            links.append(link(("patroni", name), ("etcd", voter), "consensus"))
        for other in services["patroni"]:
            if other != name:
                links.append(link(("patroni", name), ("patroni", other), "consensus"))
    for name in services["etcd"]:
        for other in services["etcd"]:
            if other != name:
                links.append(link(("etcd", name), ("etcd", other), "consensus", ETCD_PEER_PORT))
    return links


def _placed(
    name: str,
    machine: Machine,
    members: Mapping[str, Sequence[str]],
    services: Mapping[str, Sequence[str]],
    links: Sequence[Link],
    machines: Mapping[str, Machine],
) -> PlacedMachine:
    """Return one machine's part of the map; its endpoints and clients follow from the links."""
    here = [service for service in SERVICES if name in services[service]]
    incoming = {
        service: [
            link
            for link in links
            if link["target"] == {"service": service, "machine": name}
            and link["source"]["machine"] != name
        ]
        for service in here
    }
    return {
        "address": machine["address"],
        "public_address": machine["public_address"],
        "duties": [duty for duty in DUTIES if name in members[duty]],
        "services": here,
        "listens": {service: _listens(service, machine, incoming[service]) for service in here},
        "clients": {
            service: _unique(machines[link["source"]["machine"]]["address"] for link in links_in)
            for service, links_in in incoming.items()
        },
    }


def _listens(service: str, machine: Machine, incoming: Sequence[Link]) -> list[Endpoint]:
    """Return the endpoints of a service: its local one, and those other machines may use."""
    fixed = SERVICES[service]
    local = [(fixed.local, fixed.port)] if fixed.local else []
    if service == "nginx":
        local.append((fixed.local, NGINX_HTTPS_PORT))
    remote = [(link["address"], link["port"]) for link in incoming]
    if machine.get("private") and service in PRIVATE_SERVICES:
        remote.append((machine["address"], fixed.port))
    return [{"address": address, "port": port} for address, port in dict.fromkeys(local + remote)]


# -- the Ansible shell -----------------------------------------------------------------------------


def _trusted(value: Any) -> Any:
    """Return the data with every string marked as trusted, as the strings of hosts.yml are.

    `ansible-inventory --list` wraps untrusted strings in `{"__ansible_unsafe": …}`. The class
    attribute `trusted_by_default` should do the same, but ansible-core 2.19 keeps the answer of
    the first inventory plugin of a run (the one that read hosts.yml) for all the others.
    """
    if isinstance(value, dict):
        return {key: _trusted(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_trusted(item) for item in value]
    return trust_as_template(value) if isinstance(value, str) else value


class InventoryModule(BaseInventoryPlugin):
    """Runs `compute` on the inventory read so far; see `compute` for what is refused."""

    NAME = "topology"

    def verify_file(self, path: str) -> bool:
        """Return whether this plugin reads the file: one called topology.yml or topology.yaml."""
        return super().verify_file(path) and Path(path).name in ("topology.yml", "topology.yaml")

    def parse(self, inventory: Any, loader: Any, path: str, cache: bool = True) -> None:
        """Add the service groups and the variable `topology` to the inventory.

        Raises:
            AnsibleParserError: the inventory was refused, with the sentence for the user.
        """
        super().parse(inventory, loader, path, cache)
        extra = set(self._read_config_data(path)) - {"plugin"}
        try:
            if extra:
                raise TopologyError(
                    f"topology.yml has `{min(extra)}`, and takes the one line `plugin: topology`. "
                    "Write everything about machines and tiers in hosts.yml beside it."
                )
            self._check_variables()
            topology = compute(*self._read())
        except TopologyError as error:
            raise AnsibleParserError(str(error)) from None
        for service, names in topology["services"].items():
            inventory.add_group(service)
            for name in names:
                inventory.add_host(name, group=service)
        inventory.set_variable("all", "topology", _trusted(topology))

    def _check_variables(self) -> None:
        """Refuse what would make the map and the variables of the same run disagree."""
        for variable in ("tiers", "topology"):
            if variable in (self._vars or {}):
                raise TopologyError(
                    f"`{variable}` is given on the command line (-e), where the topology does not "
                    "look. Write `tiers` in hosts.yml under `all: vars:`, and leave out the -e."
                )
        if "topology" in self._variables([self.inventory.groups["all"]]):
            raise TopologyError(
                "The variable `topology` is there already. If hosts.yml sets it, remove it: it is "
                "computed. If several inventories were given (-i twice), give one at a time."
            )

    def _read(self) -> tuple[dict[str, Machine], dict[str, list[str]], Any]:
        """Return machines, the user's groups and `tiers`, as plain data."""
        everyone = self.inventory.groups["all"]
        machines: dict[str, Machine] = {}
        for name, host in self.inventory.hosts.items():
            variables = self._variables([everyone, *host.get_groups()], host)
            public = variables.get("ansible_host", name)
            private = variables.get("private_address", public)
            machines[name] = {
                "address": private,
                "public_address": public,
                "private": "private_address" in variables,
            }
        groups = {
            name: [host.name for host in group.get_hosts()]
            for name, group in self.inventory.groups.items()
            if name not in ("all", "ungrouped")
        }
        tiers = self._variables([everyone]).get("tiers")
        # Values carry Ansible's tags (where they were written); the map is literal data.
        return json.loads(json.dumps((machines, groups, tiers), default=str))

    def _variables(self, groups: list[Any], host: Any = None) -> dict[str, Any]:
        """Return the variables of hosts.yml and of the group_vars and host_vars beside it."""
        found = get_group_vars(_unique(groups))
        found = combine_vars(found, self._beside(groups))
        if host is not None:
            found = combine_vars(combine_vars(found, host.get_vars()), self._beside([host]))
        return found

    def _beside(self, entities: list[Any]) -> dict[str, Any]:
        """Return what group_vars and host_vars say about these groups or hosts."""
        sources = self.inventory.processed_sources
        return get_vars_from_inventory_sources(self.loader, sources, entities, "all")
