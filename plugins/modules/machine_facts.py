#!/usr/bin/python
"""Tell what the kit has to know of a machine, in one small round trip."""

from __future__ import annotations

DOCUMENTATION = """
module: machine_facts
short_description: Tell what the kit has to know of a machine
description:
  - The few facts that the kit uses, under the names that C(ansible.builtin.setup) gives them. That
    module asks for far more (every disk, every device) and takes a second longer on every run.
author: Espalier
"""

EXAMPLES = """
- name: Reach the machine
  machine_facts:
"""

RETURN = """
ansible_facts:
  description:
    - C(distribution), C(distribution_version), C(distribution_release), C(architecture),
      C(memtotal_mb), C(processor_vcpus), C(mounts) (only C(/), with C(size_total)),
      C(virtualization_role), C(virtualization_type), C(virtualization_tech_guest) (C(container)
      is in it in a container of any kind, and nowhere else), C(all_ipv4_addresses),
      C(all_ipv6_addresses), the kit's own record of the machine as C(ansible_local.espalier),
      which always says in C(site) whose it is, what its nginx serves as
      C(ansible_local.espalier_certificate) where there is such a fact, C(site_removed_by) (who
      takes the kit off the machine right now, "" for nobody), C(machine_certificate) (the newest
      one of the site's own authority, its C(directory), and C(pem)), C(machine_trusted) (the
      authorities that it trusts, in PEM), C(ssh_client) (the address that this connection comes
      from, "" where it is none of SSH), C(ssh_ports) (where sshd listens), C(clock) (seconds since
      1970) and C(data_free) (bytes that are free where a database's data is, or would be).
    - C(sshd) has C(user) and C(port), by which this run came in (0 where that was not SSH),
      C(settings) (the lines of the kit's own file of sshd), C(files) (what the kit wrote beside),
      C(passwords) (whether sshd takes one of that user), C(ports) (that sshd is told to listen on;
      [] for another server than OpenSSH's), C(allowed) (the values of AllowUsers and AllowGroups,
      [] for everybody), C(root_is_refused) (another file says C(PermitRootLogin no)), C(accounts)
      (those that the kit made, and whether each is open) and C(names) (all accounts of the
      machine).
  type: dict
  returned: always
"""

import fcntl
import glob
import grp
import json
import os
import pwd
import re
import shlex
import time
from typing import Any

from ansible.module_utils.basic import AnsibleModule

DATA = ("/var/lib/postgresql", "/var/lib", "/")
RECORD = "/etc/ansible/facts.d/espalier.fact"
TRUSTED = "/etc/espalier/tls/authority.crt"
CERTIFICATES = "/etc/espalier/tls/*/machine.crt"
SSHD = "/usr/sbin/sshd"
CERTIFICATE = "/etc/ansible/facts.d/espalier_certificate.fact"  # what the web machine serves
LOCKS = "/srv/*/site.lock"  # of the release command
# The record of versions before 0.11 does not say whose the machine is. By service: a file that the
# kit has written for it, and where the site's name stands in there.
NAMED_IN = {
    "postgresql_primary": ("/etc/postgresql/*/main/pg_hba.conf", r"^local +(\S+) +\1 +scram"),
    "postgresql_replica": ("/etc/postgresql/*/main/pg_hba.conf", r"^local +(\S+) +\1 +scram"),
    "redis": ("/etc/redis/redis.conf", r"^user (\S+) reset on "),
    "queue": ("/etc/redis/redis-queue.conf", r"^user (\S+) reset on "),
    "nginx": ("/etc/nginx/nginx.conf", r"^ +alias /srv/([^/]+)/media/;"),
}
OWN_SETTINGS = "/etc/ssh/sshd_config.d/00-espalier.conf"
OTHER_SETTINGS = ("/etc/ssh/sshd_config", "/etc/ssh/sshd_config.d/*.conf")
ACCOUNTS = "espalier-users"  # the group of accounts that the kit made
SSH_FILES = (
    "/etc/ssh/espalier[-_]*",
    "/etc/ssh/espalier-keys/*",
    "/etc/sudoers.d/espalier-users",
    "/etc/fail2ban/jail.d/espalier.conf",
)


def read(path: str) -> str:
    """Give a file's text, "" where there is none."""
    if not os.path.exists(path):
        return ""
    with open(path, errors="replace") as stream:
        return stream.read()


def distribution(os_release: str) -> dict[str, str]:
    """Give the distribution's name, version and release from the text of /etc/os-release."""
    pairs = (line.split("=", 1) for line in os_release.splitlines() if "=" in line)
    values = {name: "".join(shlex.split(value)) for name, value in pairs}
    return {
        "distribution": values.get("ID", "").capitalize(),
        "distribution_version": values.get("VERSION_ID", ""),
        "distribution_release": values.get("VERSION_CODENAME", ""),
    }


def virtualization(container: str) -> dict[str, Any]:
    """Give the facts of `systemd-detect-virt --container`; only containers are told apart."""
    is_container = container not in ("", "none")
    return {
        "virtualization_role": "guest" if is_container else "host",
        "virtualization_type": container if is_container else "",
        "virtualization_tech_guest": ["container", container] if is_container else [],
    }


def named_site(record: dict[str, Any]) -> str:
    """Give the name of the site that a record is of, "" where nothing says it."""
    if record.get("site") or record.get("projects"):
        return str(record.get("site") or record["projects"][0])
    for service in record.get("services", []):
        pattern, name = NAMED_IN.get(service, ("", ""))
        for path in glob.glob(pattern):
            if found := re.search(name, read(path), re.MULTILINE):
                return found[1]
    return ""


def removed_by(pattern: str) -> str:
    """Say who takes the kit off the machine right now, "" for nobody.

    The lock over the site is held for it (`what` in its text), to the end: when the record and the
    release command are gone, too.
    """
    for path in glob.glob(pattern):
        with open(path) as file:
            if not (found := re.match(r'{.*"by": "([^"]*)".*"what": "remove"}', file.read())):
                continue  # and nothing is locked here, which a release would take for somebody
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return found[1]
    return ""


def machine_certificate(pattern: str) -> dict[str, str]:
    """Give the newest certificate of the site's own authority, and where it is; {} for none."""
    found = max(glob.glob(pattern), key=os.path.getmtime, default="")
    return {"directory": os.path.dirname(found), "pem": read(found)} if found else {}


def ssh_connection(pid: str | int = "self", proc: str = "/proc") -> list[str]:
    """Give the addresses and ports of the connection that a process came by; [] for none of SSH.

    sudo clears the environment, so that of the process before it is asked, and so on.
    """
    while pid not in (0, "0"):
        try:
            with open(f"{proc}/{pid}/environ", "rb") as stream:
                found = re.search(rb"(?:^|\0)SSH_CONNECTION=([^\0]+)", stream.read())
            if found and len(words := found[1].decode().split()) == 4:
                return words
            parent = re.search(r"^PPid:\s+(\d+)", read(f"{proc}/{pid}/status"), re.MULTILINE)
        except OSError:
            break
        pid = parent[1] if parent else 0
    return []


def ssh_ports(settings: str, connection: list[str]) -> list[int]:
    """Give the ports of SSH: those in what `sshd -T` says, and the one of the connection."""
    found = re.findall(r"^listenaddress (?!127\.|\[::1\])\S+:(\d+)$", settings, re.MULTILINE)
    return sorted({int(port) for port in found + connection[3:]}) or [22]


def addresses(listed: str) -> dict[str, list[str]]:
    """Sort the addresses that `hostname -I` lists into both kinds."""
    words = listed.split()
    return {
        "all_ipv4_addresses": [word for word in words if ":" not in word],
        "all_ipv6_addresses": [word for word in words if ":" in word],
    }


def login_user() -> str:
    """Give the user that this run came in as, before sudo."""
    return os.environ.get("SUDO_USER") or pwd.getpwuid(os.getuid()).pw_name


def accounts(shadow: str, members: list[str]) -> dict[str, bool]:
    """Say of each account of the kit whether it is open: one that has left has expired."""
    entries = {line.split(":")[0]: line.split(":") for line in shadow.splitlines()}
    return {name: entries[name][7] == "" for name in members if name in entries}


def sshd(settings: str, connection: list[str]) -> dict[str, Any]:
    """Give what decides who gets in by SSH, from what `sshd -T` says, and from the kit's files."""
    effective: dict[str, list[str]] = {}
    for name, _, value in (line.partition(" ") for line in settings.splitlines()):
        effective.setdefault(name, []).append(value)
    paths = (path for pattern in OTHER_SETTINGS for path in glob.glob(pattern))
    others = "\n".join(read(path) for path in paths if path != OWN_SETTINGS)
    refuses_root = r"^\s*PermitRootLogin\s+no\b"
    members = next((one.gr_mem for one in grp.getgrall() if one.gr_name == ACCOUNTS), [])
    by_password = ("passwordauthentication", "kbdinteractiveauthentication")
    return {
        "user": login_user(),
        "port": int(connection[3]) if connection else 0,
        "settings": read(OWN_SETTINGS).splitlines(),
        "files": [p for one in SSH_FILES for p in sorted(glob.glob(one)) if os.path.isfile(p)],
        "passwords": any(effective.get(name) != ["no"] for name in by_password),
        "ports": [int(value) for value in effective.get("port", [])],
        "allowed": effective.get("allowusers", []) + effective.get("allowgroups", []),
        "root_is_refused": bool(re.search(refuses_root, others, re.MULTILINE | re.IGNORECASE)),
        "accounts": accounts(read("/etc/shadow"), members),
        "names": sorted({one.pw_name for one in pwd.getpwall()}),
    }


def main() -> None:
    """Run the module."""
    module = AnsibleModule({}, supports_check_mode=True)
    memory = re.search(r"^MemTotal:\s+(\d+) kB", read("/proc/meminfo"), re.MULTILINE)
    root = os.statvfs("/")
    data = os.statvfs(next(path for path in DATA if os.path.exists(path)))
    record = read(RECORD)
    connection = ssh_connection()
    client = connection[0] if connection else "127.0.0.1"
    of = f"user={login_user()},host={client},addr={client}"
    settings = module.run_command([SSHD, "-T", "-C", of])[1] if os.path.exists(SSHD) else ""
    try:
        known = json.loads(record) if record else {}
        local = {"espalier": known | {"site": named_site(known)}} if record else {}
        if served := read(CERTIFICATE):
            local["espalier_certificate"] = json.loads(served)
    except ValueError as error:
        module.fail_json(
            msg=f"{RECORD} says what is on this machine, and cannot be read ({error})."
        )
    module.exit_json(
        ansible_facts={
            **distribution(read("/etc/os-release")),
            **virtualization(module.run_command(["systemd-detect-virt", "--container"])[1].strip()),
            **addresses(module.run_command(["hostname", "-I"])[1]),
            "architecture": os.uname().machine,
            "memtotal_mb": int(memory[1]) // 1024 if memory else 0,
            "processor_vcpus": os.cpu_count(),
            "mounts": [{"mount": "/", "size_total": root.f_frsize * root.f_blocks}],
            "ansible_local": local,
            "site_removed_by": removed_by(LOCKS),
            "machine_certificate": machine_certificate(CERTIFICATES),
            "machine_trusted": read(TRUSTED),
            "ssh_client": connection[0] if connection else "",
            "ssh_ports": ssh_ports(settings, connection),
            "clock": time.time(),
            "data_free": data.f_frsize * data.f_bavail,
            "sshd": sshd(settings, connection),
        }
    )


if __name__ == "__main__":
    main()
