"""What a machine says of itself: its release, addresses, sandboxes, nginx's configuration.

And which files with a secret can be read by everybody. Changes nothing.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
UNITS = Path("/etc/systemd/system")
# Where the kit, and what it configures, keep secrets.
WITH_SECRETS = ("/etc/espalier", "/etc/nginx", "/etc/pgbouncer", "/etc/redis", "/etc/ansible")
SECRET = re.compile(
    rb"PRIVATE KEY-----"
    rb"|^[^#\n]{0,60}(?:pass|password|secret|secret_key|token)['\"]?\s*[=: ]\s*['\"]?[\w+/=-]{16,}"
    rb"|://[^/\s:]+:[^@\s/]{8,}@",
    re.IGNORECASE | re.MULTILINE,
)


def look(address: str, patterns: list[str]) -> dict[str, Any]:
    """Look at this machine.

    Args:
        address: of its own, on the network of the site.
        patterns: of the names of units whose sandboxes count.
    """
    sshd = _run("sshd", "-T")
    release = dict(re.findall(r'^(\w+)="?([^"\n]*)', Path("/etc/os-release").read_text(), re.M))
    return {
        "release": release["VERSION_CODENAME"],
        "ssh_ports": [int(port) for port in re.findall(r"^port (\d+)$", sshd, re.M)],
        # No answer is none: it must not pass for a `no`.
        "ssh_passwords": re.findall(
            r"^(?:password|kbdinteractive)authentication (\w+)$", sshd, re.M
        ),
        **ipv6(address),
        "sandboxes": {unit: exposure(unit) for unit in units(patterns)},
        "nginx": _run("nginx", "-T") if shutil.which("nginx", path=PATH) else "",
        "readable_secrets": sorted(readable_secrets()),
        "container": _run("systemd-detect-virt", "--container").strip() not in ("", "none"),
    }


def _run(*words: str) -> str:
    program = shutil.which(words[0], path=PATH)
    if not program:
        return ""
    return subprocess.run([program, *words[1:]], capture_output=True, text=True).stdout


def ipv6(address: str) -> dict[str, list[str]]:
    """The addresses of IPv6: `ip6` of all interfaces, `link_local` of the one with `address`."""
    interfaces = json.loads(_run("ip", "-j", "address") or "[]")
    found: dict[str, list[str]] = {"ip6": [], "link_local": []}
    for one in interfaces:
        own = one.get("addr_info", [])
        has_address = any(info.get("local") == address for info in own)
        for info in own:
            if info["family"] != "inet6":
                continue
            if info["scope"] == "global" and not info.get("temporary"):
                found["ip6"].append(info["local"])
            elif info["scope"] == "link" and has_address:
                found["link_local"].append(info["local"])
    return found


def units(patterns: list[str]) -> Iterator[str]:
    """The services with such names: those that are loaded, and those that timers start."""
    loaded = _run("systemctl", "list-units", "--all", "--type=service", "--plain", "--no-legend")
    rows = [line.split() for line in loaded.splitlines()]
    names = {row[0] for row in rows if row[1] != "not-found"}
    for file in UNITS.glob("*.service"):
        # Of a template, an instance that nothing has started, unless there is one.
        if not any(fnmatch(name, file.name.replace("@.", "@*.")) for name in names):
            names.add(file.name.replace("@.", "@x."))
    yield from sorted(n for n in names if any(fnmatch(n, pattern) for pattern in patterns))


def exposure(unit: str) -> float | None:
    """The score of `systemd-analyze security`: 0 (nothing is allowed) to 10; None for none."""
    said = _run("systemd-analyze", "security", "--no-pager", unit)
    found = re.search(r"exposure level for \S+: ([\d.]+)", said)
    return float(found[1]) if found else None


def readable_secrets() -> Iterator[str]:
    """Files with what looks like a secret, in directories that everybody may enter."""
    for root in WITH_SECRETS:
        yield from _readable(Path(root))


def _readable(folder: Path) -> Iterator[str]:
    if not folder.is_dir() or not folder.stat().st_mode & 0o001:
        return
    for path in folder.iterdir():
        if path.is_symlink():
            continue
        if path.is_dir():
            yield from _readable(path)
        elif path.is_file() and path.stat().st_mode & 0o004:
            with path.open("rb") as file:
                if SECRET.search(file.read(1_000_000)):
                    yield str(path)


if __name__ == "__main__":
    print(json.dumps(look(**json.loads(sys.argv[1]))))
