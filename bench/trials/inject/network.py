"""Limits of the network, and of what is outside of the site."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from time import sleep

from bench.trials.limits import running
from bench.trials.machines import ADDRESSES, Machines
from tests.steps import demand

TABLE = "trials"


@contextmanager
def delay(machines: Machines, milliseconds: int) -> Iterator[None]:
    """What Django and its database say to each other comes later, each way half of it.

    The lab's kernel has no netem: packets to the database are sent to a proxy that holds them back.
    Root's own connections, the proxy's among them, are left alone.
    """
    address = f"{ADDRESSES[machines.database]} 5432"
    path = "/root/trials-delay.py"
    text = (Path(__file__).parent / "delay_proxy.py").read_text()
    run = f"systemd-run --quiet --collect --unit=trials-delay python3 {path} 15432 {address}"
    rule = (
        f"tcp dport {{ 5432, 6432 }} ip daddr {ADDRESSES[machines.database]} meta skuid != 0 "
        "redirect to :15432"
    )
    web = running(machines.on, "vps1", machines.web_units)
    port = 6432 if _has_pool(machines) else 5432
    try:
        machines.on("vps1", f"cat > {path} <<'END'\n{text}\nEND")
        machines.on("vps1", f"{run.replace(' 5432', f' {port}')} {milliseconds / 2000}")
        nft(machines, "type nat hook output priority -100", rule)
        before = median(took for _, took in machines.ask("/", 5))
        machines.on("vps1", f"systemctl restart {web}")  # kept connections end
        machines.wait()
        machines.ask("/", 3)
        after = median(took for _, took in machines.ask("/", 5))
        said = f"a page takes {after * 1000:.0f} ms, and {before * 1000:.0f} ms without"
        demand(after >= before + milliseconds / 1000, said)
        yield
    finally:
        no_nft(machines)
        machines.on("vps1", "systemctl stop trials-delay.service || true")
        machines.on("vps1", f"systemctl restart {web}")
        machines.wait()


def _has_pool(machines: Machines) -> bool:
    return machines.on(machines.database, "systemctl is-active pgbouncer || true").strip() == (
        "active"
    )


@contextmanager
def loss(machines: Machines, percent: int) -> Iterator[None]:
    """Of what the database answers so many segments in a hundred are lost."""
    rule = (
        f"tcp sport {{ 5432, 6432 }} ip saddr {ADDRESSES[machines.database]} "
        f"numgen random mod 100 < {percent} counter drop"
    )
    try:
        nft(machines, "type filter hook input priority -10", rule)
        machines.ask("/", 40)
        said = machines.on("vps1", f"nft list table inet {TABLE}")
        demand("counter packets 0 " not in said, f"nothing was lost: {said}")
        yield
    finally:
        no_nft(machines)


@contextmanager
def slow_visitors(machines: Machines, kilobytes: int) -> Iterator[None]:
    """Each connection of a visitor gets so many KiB a second; the site's own are left alone."""
    rule = (
        f"tcp sport 443 oifname != lo update @slow {{ tcp dport limit rate over {kilobytes} "
        "kbytes/second burst 96 kbytes } drop"
    )
    slow = "set slow { type inet_service; flags dynamic; timeout 1m; size 65535; }"
    try:
        nft(machines, "type filter hook output priority 0", rule, slow)
        size = 20 * kilobytes
        status, took = machines.ask(f"/file/?kb={size}")[0]
        demand(status == 200, f"/file/ answers {status}")
        speed = size / took
        demand(speed <= 2 * kilobytes, f"a visitor gets {speed:.0f} of {kilobytes} KiB/s")
        yield
    finally:
        no_nft(machines)


def nft(machines: Machines, hook: str, rule: str, more: str = "") -> None:
    """Add a table of packet filter rules to vps1, of one chain with one rule."""
    no_nft(machines)
    table = f"table inet {TABLE} {{ {more} chain one {{ {hook}; {rule}; }} }}"
    machines.on("vps1", f"nft -f - <<'END'\n{table}\nEND")


def no_nft(machines: Machines) -> None:
    """Take it away."""
    machines.on("vps1", f"nft delete table inet {TABLE} 2> /dev/null || true")


@contextmanager
def slow_remote(machines: Machines, milliseconds: int) -> Iterator[None]:
    """Somebody else's server takes so long to answer."""
    path = "/root/trials-remote.py"
    text = (Path(__file__).parent / "remote_server.py").read_text()
    try:
        machines.on("vps1", f"cat > {path} <<'END'\n{text}\nEND")
        run = "systemd-run --quiet --collect --unit=trials-remote"
        machines.on("vps1", f"{run} python3 {path} 8099")
        sleep(1)
        status, took = machines.ask(f"/remote/?ms={milliseconds}", 2)[-1]
        demand(status == 200, f"/remote/ answers {status}")
        demand(took >= milliseconds / 1000, f"the server answers in {took:.3f} s")
        yield
    finally:
        machines.on("vps1", "systemctl stop trials-remote.service || true")
