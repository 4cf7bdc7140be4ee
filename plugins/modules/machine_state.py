#!/usr/bin/python
"""Tell what a first run could stumble over on a machine; changes nothing."""

from __future__ import annotations

DOCUMENTATION = """
module: machine_state
short_description: Tell what a first run could stumble over on a machine
description:
  - What C(espalier check) looks at beside the facts that every run needs. Changes nothing.
author: Espalier
options:
  ports:
    description: The TCP ports of which to tell who listens there.
    type: list
    elements: int
    default: []
"""

EXAMPLES = """
- name: Look at the machine
  machine_state:
    ports: [80, 443]
"""

RETURN = """
state:
  description:
    - C(architecture), C(python) (the version that runs this), C(swap_mb), C(available_mb) (memory
      that is free or can be freed), C(root_free) and C(root_size) (bytes of C(/)), C(listening)
      (port, as text, to the names of the processes that listen there), C(exposed) (the same, of
      each port that other machines could reach), C(has_firewall) (the kit's), C(apt_holders) (names
      of the processes that hold a lock of apt or dpkg), C(dpkg_interrupted), C(has_locale) (whether
      there is C.UTF-8), C(clock_synchronized) (C(yes), C(no), or nothing where it cannot be told).
  type: dict
  returned: always
"""

import contextlib
import glob
import os
import platform
import re
import shutil

from ansible.module_utils.basic import AnsibleModule

FIREWALL = "/etc/espalier/firewall.nft"
# Addresses of the machine alone, as /proc/net/tcp has them: 127.0.0.0/8, in IPv6 too, and ::1.
LOOPBACK = re.compile(r"([0-9A-F]{24})?[0-9A-F]{6}7F|0{24}01000000")
LISTEN = "0A"  # in /proc/net/tcp
LOCKS = ("/var/lib/dpkg/lock-frontend", "/var/lib/dpkg/lock", "/var/lib/apt/lists/lock")
UPDATES = "/var/lib/dpkg/updates"  # what dpkg leaves here was never finished


def read(path: str) -> str:
    """Give a file's text, "" where there is none or it is gone meanwhile."""
    with contextlib.suppress(OSError), open(path) as stream:
        return stream.read()
    return ""


def listening_sockets(table: str, ports: list[int]) -> dict[str, int]:
    """Give the sockets that listen on some ports, from the text of /proc/net/tcp: inode -> port."""
    found = {}
    for line in table.splitlines()[1:]:
        words = line.split()
        port = int(words[1].rpartition(":")[2], 16)
        if words[3] == LISTEN and port in ports:
            found[words[9]] = port
    return found


def exposed_ports(table: str) -> list[int]:
    """Give the ports that other machines could reach, from the text of /proc/net/tcp."""
    listening = [words for line in table.splitlines()[1:] if (words := line.split())[3] == LISTEN]
    places = [words[1].split(":") for words in listening]
    return [int(port, 16) for address, port in places if not LOOPBACK.fullmatch(address)]


def lock_holders(table: str, inodes: set[int]) -> list[int]:
    """Give the processes that hold a lock on one of some files, from the text of /proc/locks."""
    found = []
    for line in table.splitlines():
        words = line.split()
        # Those that wait for a lock have an arrow here.
        if "->" not in words and int(words[5].rpartition(":")[2]) in inodes:
            found.append(int(words[4]))
    return found


def memory_mb(meminfo: str, name: str) -> int:
    """Give an entry of /proc/meminfo in MiB, 0 where there is none."""
    found = re.search(rf"^{name}:\s+(\d+) kB", meminfo, re.MULTILINE)
    return int(found[1]) // 1024 if found else 0


def command_name(process: int | str) -> str:
    """Give the name of a process."""
    return read(f"/proc/{process}/comm").strip() or f"process {process}"


def listeners(ports: list[int]) -> dict[str, list[str]]:
    """Give the names of the processes that listen, by port."""
    sockets: dict[str, int] = {}
    for path in ("/proc/net/tcp", "/proc/net/tcp6"):
        sockets.update(listening_sockets(read(path), ports))
    names: dict[int, set[str]] = {port: set() for port in sockets.values()}
    for link in glob.glob("/proc/[0-9]*/fd/*") if sockets else ():
        with contextlib.suppress(OSError):
            target = re.fullmatch(r"socket:\[(\d+)\]", os.readlink(link))
            if target and target[1] in sockets:
                names[sockets[target[1]]].add(command_name(link.split("/")[2]))
    return {str(port): sorted(found) for port, found in names.items()}


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        {"ports": {"type": "list", "elements": "int", "default": []}}, supports_check_mode=True
    )
    meminfo = read("/proc/meminfo")
    root = os.statvfs("/")
    inodes = {os.stat(path).st_ino for path in LOCKS if os.path.exists(path)}
    holders = lock_holders(read("/proc/locks"), inodes)
    locales = module.run_command(["locale", "-a"])[1] if shutil.which("locale") else ""
    clock = ""
    if shutil.which("timedatectl"):
        asked = ["timedatectl", "show", "--property", "NTPSynchronized", "--value"]
        clock = module.run_command(asked)[1].strip()
    module.exit_json(
        state={
            "architecture": platform.machine(),
            "python": platform.python_version(),
            "swap_mb": memory_mb(meminfo, "SwapTotal"),
            "available_mb": memory_mb(meminfo, "MemAvailable"),
            "root_free": root.f_frsize * root.f_bavail,
            "root_size": root.f_frsize * root.f_blocks,
            "listening": listeners(module.params["ports"]),
            "exposed": listeners(
                exposed_ports(read("/proc/net/tcp")) + exposed_ports(read("/proc/net/tcp6"))
            ),
            "has_firewall": os.path.exists(FIREWALL),
            "apt_holders": sorted({command_name(process) for process in holders}),
            "dpkg_interrupted": bool(glob.glob(f"{UPDATES}/[0-9]*")),
            "has_locale": bool(re.search(r"(?mi)^C\.utf-?8$", locales)),
            "clock_synchronized": clock,
        }
    )


if __name__ == "__main__":
    main()
