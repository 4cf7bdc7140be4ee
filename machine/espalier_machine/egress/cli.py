"""Limit what the project's user connects to, as `egress` in project.yml says.

    espalier-egress /etc/espalier/<project>/egress.json

Loads the rules with what names led to before, looks them up, and loads the rules again where that
differs. Its timer runs it every few minutes. A name that leads nowhere is said, and is status 1.
"""

from __future__ import annotations

import grp
import json
import pwd
import socket
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from espalier_machine.common import installed
from espalier_machine.common.targets import is_name, split_target
from espalier_machine.egress.rules import nameservers, remember, ruleset

SEEN = Path("/var/lib/espalier-egress/seen.json")
RESOLVERS = Path("/etc/resolv.conf")


def look_up(name: str) -> list[str]:
    """The addresses that a name leads to now; [] for none."""
    try:
        found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except OSError:
        return []
    return sorted({str(entry[4][0]).partition("%")[0] for entry in found})


def load(config: dict[str, Any], seen: dict[str, dict[str, float]]) -> str:
    """Load the rules with these addresses; returns their text, raises where nft refuses it."""
    allowed = [
        (address, port)
        for host, port in map(split_target, config["allow"])
        for address in (seen.get(host, {}) if is_name(host) else [host])
    ]
    servers = nameservers(RESOLVERS.read_text()) if RESOLVERS.exists() else []
    user, group = pwd.getpwnam(config["user"]).pw_uid, grp.getgrnam(config["build_group"]).gr_gid
    text = ruleset(user, group, servers, allowed)
    subprocess.run(["nft", "-f", "-"], input=text, text=True, check=True)
    return text


def names(targets: Iterable[str]) -> list[str]:
    """The hosts among them that have to be looked up."""
    return sorted({host for host, _ in map(split_target, targets) if is_name(host)})


def main() -> int:
    """Run the command line; gives the exit status."""
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    installed.mark_in_use()
    config = json.loads(Path(sys.argv[1]).read_text())
    try:
        before = json.loads(SEEN.read_text())
    except (OSError, ValueError):
        before = {}
    load(config, before)
    seen = remember(before, {name: look_up(name) for name in names(config["allow"])}, time.time())
    load(config, seen)
    SEEN.parent.mkdir(mode=0o700, exist_ok=True)
    SEEN.with_suffix(".new").write_text(json.dumps(seen))
    SEEN.with_suffix(".new").replace(SEEN)
    installed.remove_unused("espalier-egress")
    nowhere = [name for name, addresses in seen.items() if not addresses]
    for name in nowhere:
        print(
            f"{name}, which `egress:` or `email:` in project.yml names, leads to no address on "
            "this machine, so nothing can be sent there: correct the name, or mend the machine's "
            "DNS (/etc/resolv.conf).",
            file=sys.stderr,
        )
    return 1 if nowhere else 0
