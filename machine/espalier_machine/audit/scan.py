"""Which TCP ports of other machines answer, asked by connections.

Debian's nmap is not on a machine, and installing it would change the machine. As
`nmap -sT -p- --min-rate 5000 --max-retries 1`: the kernel asks a silent port a second time after
one second.
"""

from __future__ import annotations

import errno
import json
import resource
import selectors
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterable
from typing import Any

RATE = 5000  # connections begun in a second
AT_ONCE = 6000  # at most; each takes some 4 KiB of the kernel's memory
TIMEOUT = 1.5  # seconds
PORTS = range(1, 65536)


def scan(at: tuple[Any, ...], family: int, ports: Iterable[int] = PORTS) -> dict[str, Any]:
    """Try ports of one address.

    Args:
        at: the address, as `getaddrinfo` gives it; its port does not count.
        family: AF_INET or AF_INET6.
        ports: which ones.

    Returns:
        `open` (a list), and how many are `closed` (refused) and `filtered` (no answer).
    """
    found: dict[str, Any] = {"open": [], "closed": 0, "filtered": 0}
    selector = selectors.DefaultSelector()
    asked: deque[tuple[float, socket.socket]] = deque()  # by when each is given up
    waiting: dict[socket.socket, int] = {}
    todo = deque(ports)
    at_once = _sockets()
    began, begun = time.monotonic(), 0
    while todo or waiting:
        now = time.monotonic()
        while todo and len(waiting) < at_once and begun < (now - began) * RATE:
            port = todo.popleft()
            one = socket.socket(family, socket.SOCK_STREAM)
            one.setblocking(False)
            said = one.connect_ex((at[0], port, *at[2:]))
            if said in (errno.EADDRNOTAVAIL, errno.EAGAIN):  # no local port is left for a moment
                one.close()
                todo.appendleft(port)
                break
            begun += 1
            waiting[one] = port
            asked.append((now + TIMEOUT, one))
            if said == errno.EINPROGRESS:
                selector.register(one, selectors.EVENT_WRITE)
            else:
                _answered(found, waiting.pop(one), said)
                one.close()
        for key, _ in selector.select(0.005):
            one = key.fileobj  # type: ignore[assignment]
            selector.unregister(one)
            _answered(found, waiting.pop(one), one.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))
            one.close()
        now = time.monotonic()
        while asked and asked[0][0] < now:
            _, one = asked.popleft()
            if one in waiting:
                selector.unregister(one)
                del waiting[one]
                found["filtered"] += 1
                one.close()
    selector.close()
    return {**found, "open": sorted(found["open"])}


def _answered(found: dict[str, Any], port: int, said: int) -> None:
    if said == 0:
        found["open"].append(port)
    else:
        found["closed" if said == errno.ECONNREFUSED else "filtered"] += 1


def _sockets() -> int:
    """How many connections this process may have at once."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = AT_ONCE + 100
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        return soft - 100
    return AT_ONCE


def scan_machine(target: dict[str, Any]) -> list[dict[str, Any]]:
    """Scan a machine over IPv4, and over IPv6 where there is a way to it.

    Args:
        target: its `machine` (a name), its `address`, and its addresses of IPv6: `ip6`, and
            `link_local`, which are tried where this machine is on the same network.

    Returns:
        For each family, `machine`, `address`, `source` (as the other side sees it), and the
        answer of `scan`.
    """
    answers = []
    scope = _interface(target["address"]) if target["link_local"] else ""
    local = [f"{one}%{scope}" for one in target["link_local"]] if scope else []
    for addresses in ([target["address"]], [*target["ip6"], *local]):
        for address in addresses:
            family, _, _, _, at = socket.getaddrinfo(address, 1, type=socket.SOCK_STREAM)[0]
            source = _source(family, at)
            if source:
                about = {"machine": target["machine"], "address": address, "source": source}
                answers.append(about | _confirmed(at, family, scan(at, family)))
                break
    return answers


def _confirmed(at: tuple[Any, ...], family: int, found: dict[str, Any]) -> dict[str, Any]:
    """The same answer, without ports that are open once only.

    Two machines that scan each other may try one pair of ports in the same moment, from both sides:
    TCP makes that a connection.
    """
    again = scan(at, family, found["open"])["open"]
    filtered = found["filtered"] + len(found["open"]) - len(again)
    return {**found, "open": again, "filtered": filtered}


def _source(family: int, at: tuple[Any, ...]) -> str:
    """The address from which packets go there; "" where there is no way. Sends nothing."""
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as one:
            one.connect(at)
            return str(one.getsockname()[0]).partition("%")[0]
    except OSError:
        return ""


def _interface(address: str) -> str:
    """The interface whose network has this address; "" where a router is between."""
    try:
        argv = ["ip", "-j", "route", "get", socket.gethostbyname(address)]
        done = subprocess.run(argv, capture_output=True, text=True)
        route = json.loads(done.stdout)[0]
    except (OSError, ValueError, IndexError):
        return ""
    return "" if "gateway" in route else str(route.get("dev", ""))


if __name__ == "__main__":
    print(json.dumps([one for target in json.loads(sys.argv[1]) for one in scan_machine(target)]))
