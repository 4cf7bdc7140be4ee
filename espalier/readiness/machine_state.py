"""What the state of a machine means for a run: each function looks at one subject.

`state` is what the module `machine_state` found, `facts` what `machine_facts` did.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from espalier.inventory.model import Endpoint
from espalier.inventory.services import PLAIN_PROXY_PORT, SERVICES
from espalier.readiness.findings import Finding, failed, note, ok

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
GIB = 1024**3
# A first run takes 0.8 GiB, and each release keeps a virtual environment.
DISK_NEEDED, DISK_WANTED = GIB, 3 * GIB
MEMORY_WANTED_MB = 900  # a VPS of 1 GiB says a little less
# Daemons that a role of the kit would configure anew where they are there already.
OWN_DAEMONS = {
    "nginx": ("nginx",),
    "postgresql": ("postgres",),
    "pgbouncer": ("pgbouncer",),
    "redis": ("redis-server", "valkey-server"),
    "queue": ("redis-server", "valkey-server"),
}


def ssh(facts: Mapping[str, Any], machine: str) -> Finding:
    """Whether it lets us in, and whether it takes passwords, too."""
    if not facts.get("sshd", {}).get("passwords"):
        return ok("ssh", "logs in", machine)
    return note(
        "ssh",
        "logs in, and takes passwords, too: `espalier site` ends that as soon as a key of yours is "
        "there (`ssh-copy-id`), unless hosts.yml says `ssh: {passwords: true}`",
        machine,
    )


def debian(facts: Mapping[str, Any], state: Mapping[str, Any], machine: str) -> Finding:
    """Which Debian it runs, on which processor."""
    name = f"{facts['distribution']} {facts['distribution_version']}"
    text = f"{name} ({facts['distribution_release']})"
    kind = state.get("architecture", "")
    if not kind or kind in ARCHITECTURES:
        return ok("debian", f"{text}, {ARCHITECTURES[kind]}" if kind else text, machine)
    return note(
        "debian",
        f"{text}, {kind}: few Python packages are built for this processor; a release may have to "
        "compile them, which needs compilers in `packages:` of project.yml",
        machine,
    )


def clock(facts: Mapping[str, Any], state: Mapping[str, Any], now: float, machine: str) -> Finding:
    """How far its clock is off; `now` is the control machine's, when it was asked."""
    off = facts["clock"] - now
    text = f"{abs(off):.0f} s {'ahead' if off > 0 else 'behind'}" if abs(off) >= 1.5 else "is right"
    in_container = "container" in facts.get("virtualization_tech_guest", ())
    if state.get("clock_synchronized") == "no" and not in_container:
        return note(
            "clock",
            f"{text}, but nothing keeps it so: `timedatectl set-ntp true` (and let NTP out)",
            machine,
        )
    return ok("clock", text, machine)


def disk(state: Mapping[str, Any], is_made: bool, machine: str) -> Finding:
    """How much room there is; `is_made`: the first run is over."""
    free, size = state["root_free"], state["root_size"]
    text = f"{free / GIB:.1f} GiB free of {size / GIB:.0f} GiB"
    if free < DISK_NEEDED and not is_made:
        return failed("disk", f"{text}: a first run needs 1 GiB; give it a larger disk", machine)
    if free < DISK_WANTED:
        return note("disk", f"{text}: little room for releases, uploads and the database", machine)
    return ok("disk", text, machine)


def memory(
    state: Mapping[str, Any],
    shares: Mapping[str, Any],
    services: Sequence[str],
    processes: Mapping[str, Any],
    machine: str,
) -> Finding:
    """How much there is, and who gets how much of it."""
    swap = f", {state['swap_mb']} MiB of swap" if state["swap_mb"] else ""
    parts = [f"{shares['memory_mb']} MiB{swap}"]
    if {"postgresql_primary", "postgresql_replica"} & set(services):
        parts.append(f"PostgreSQL may count on {shares['share_mb']} MiB")
    if "redis" in services:
        parts.append(f"redis may take {shares['redis_mb']} MiB")
    if "django" in services:
        beside = sum(int(one.get("count", 1)) for one in processes.values())
        more = f", beside {beside} of its own" if beside else ""
        text = f"{shares['workers']} processes of {shares['threads']} threads"
        parts.append(f"Django answers with {text}{more}")
    text = "; ".join(parts)
    if int(shares["memory_mb"]) < MEMORY_WANTED_MB:
        return note(
            "memory", f"{text}. Small: 1 GiB is the least that the kit is tried on", machine
        )
    return ok("memory", text, machine)


def apt(state: Mapping[str, Any], machine: str) -> Iterator[Finding]:
    """Whether packages can be installed now."""
    if state["dpkg_interrupted"]:
        text = "dpkg was interrupted: run `dpkg --configure -a` on the machine"
        yield failed("apt", text, machine)
    elif state["apt_holders"]:
        names = ", ".join(state["apt_holders"])
        yield note("apt", f"is at work ({names}): wait until it is done", machine)
    else:
        yield ok("apt", "is free", machine)


def locale(state: Mapping[str, Any], machine: str) -> Finding:
    """Whether PostgreSQL's locale is there."""
    if state["has_locale"]:
        return ok("locale", "C.UTF-8", machine)
    text = "has no C.UTF-8, which PostgreSQL needs: `apt-get install --reinstall libc-bin`"
    return failed("locale", text, machine)


def firewall(
    state: Mapping[str, Any], shares: Mapping[str, Any], machine: str
) -> Iterator[Finding]:
    """What listens there and could be reached until the kit's first firewall."""
    own = {port for service in shares["recorded"] for port in SERVICES[service].ports}
    if "app_proxy" in shares["recorded"]:
        own.add(PLAIN_PROXY_PORT)
    closing = {
        port: names
        for port, names in state["exposed"].items()
        if int(port) not in {*shares["opened"], *own}
    }
    if closing and shares["closes"] and not state["has_firewall"]:
        listed = ", ".join(f"{' and '.join(names)} on {port}" for port, names in closing.items())
        first = next(iter(closing))
        yield note(
            "firewall",
            f"other machines will not reach what listens there now: {listed}. What they need "
            f"belongs into hosts.yml, as `firewall: {{allow: [{{port: {first}}}]}}`",
            machine,
        )


def ports(
    listening: Mapping[str, Sequence[str]],
    listens: Mapping[str, Sequence[Endpoint]],
    recorded: Sequence[str],
    machine: str,
) -> Iterator[Finding]:
    """Who else listens on the ports of the kit."""
    made = {SERVICES[service].role for service in recorded}
    taken: dict[tuple[str, str], list[str]] = {}
    for service, endpoints in listens.items():
        role = SERVICES[service].role
        ports = dict.fromkeys(str(one["port"]) for one in endpoints if one["port"])
        for port in ports if role not in made else ():
            if port in listening:
                taken.setdefault((role, ", ".join(listening[port])), []).append(port)
    for (role, names), found in taken.items():
        where = f"port{'s' if len(found) > 1 else ''} {' and '.join(found)}"
        if set(names.split(", ")) <= set(OWN_DAEMONS.get(role, ())):
            yield note(
                "ports",
                f"{names} is there already, on {where}, and not made by this kit: a run would "
                "configure it anew",
                machine,
            )
        else:
            yield failed(
                "ports",
                f"{names} listens on {where}, which {role} needs: stop it for good "
                "(`systemctl disable --now …`), or use another machine",
                machine,
            )
    if not taken:
        yield ok("ports", "nothing else listens on those of the site", machine)
