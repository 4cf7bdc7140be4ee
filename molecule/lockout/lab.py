"""The lab of the scenario: its machine as a person, a visitor and a stranger see it."""

from __future__ import annotations

import http.client
import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

from tests.steps import SSH, UNKNOWN, Lab
from tests.visitor import Page, front_page

LAB = Lab("lockout")
on, site = LAB.on, LAB.site
# This machine, that of the site, and one that nobody knows.
HERE, VPS, STRANGER = "198.18.105.1", "198.18.105.11", "198.18.105.12"
PASSWORD = "a russet pippin"
RULES = "/etc/espalier/firewall.nft"
WITHOUT_PENALTIES = (
    "systemctl restart ssh; systemctl reset-failed ssh; nft flush set inet espalier ssh_ip"
)
# What others have made on the machine: a container tool's, a VPN's.
OTHERS = """
table inet house {
    chain forward { type filter hook forward priority 0; ip saddr 10.9.0.0/16 accept; }
    chain nat { type nat hook postrouting priority 100; ip saddr 10.9.0.0/16 masquerade; }
}
table ip docker {
    chain input { type filter hook input priority 10; tcp dport 2375 drop; }
}
"""


def set_variables(**values: Any) -> None:
    """Have hosts.yml say this in addition, and nothing else."""
    file = LAB.site_directory / "group_vars/all/more.yml"
    file.write_text(json.dumps(values))


def set_project(**values: Any) -> None:
    """Have project.yml say this in addition to the directory."""
    file = LAB.site_directory / "group_vars/all/project.yml"
    found = {"directory": "examples/orchard", "domains": ["shop.example"], **values}
    file.write_text(json.dumps({"project": found}))


def gets_in(*options: str, port: int = 22) -> bool:
    """Whether a new connection from here is let in; options come before those of every step."""
    argv = ["ssh", *options, *SSH[1:], "-p", str(port), "-o", "BatchMode=yes", f"root@{VPS}"]
    done = subprocess.run([*argv, "true"], capture_output=True, stdin=subprocess.DEVNULL)
    return done.returncode == 0


def by_password(user: str) -> str:
    """What SSH says from here to the right password; "" where it lets in."""
    ask = LAB.home / "ask"
    ask.write_text(f"#!/bin/sh\necho '{PASSWORD}'\n")
    ask.chmod(0o700)
    argv = ["ssh", *UNKNOWN, "-o", "PubkeyAuthentication=no", "-o", "NumberOfPasswordPrompts=1"]
    asking = {**os.environ, "SSH_ASKPASS": str(ask), "SSH_ASKPASS_REQUIRE": "force"}
    done = subprocess.run(
        [*argv, f"{user}@{VPS}", "true"],
        env=asking,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )
    return "" if done.returncode == 0 else done.stderr


def sshd(setting: str) -> str:
    """What is in force."""
    return on(VPS, f"sshd -T | sed -n 's/^{setting} //p'").strip()


def page(authority: Path | None = None) -> Page:
    """The front page."""
    return front_page(VPS, "shop.example", authority)


def serves() -> bool:
    """Whether the site answers."""
    try:
        return page().status == 200
    except (OSError, http.client.HTTPException):
        return False


def inside(script: str) -> bool:
    """Whether a script ends well on the machine, which may let nobody in by SSH."""
    argv = ["podman", "exec", f"espalier-{LAB.name}-vps1", "sh", "-c", script]
    return subprocess.run(argv, capture_output=True).returncode == 0


def rules() -> str:
    """The kit's table, without what changes by itself."""
    return re.sub(r"\s*elements = \{[^}]*\}", "", on(VPS, "nft list table inet espalier"))


def in_their_sandboxes(how: str) -> None:
    """nginx and PostgreSQL run in their sandboxes, after they were started so."""
    on(
        VPS,
        f"""
        clusters=$(systemctl list-units --plain --no-legend 'postgresql@*' | cut -d' ' -f1)
        for unit in nginx $clusters; do
            {how}
            pid=$(systemctl show --value -p MainPID "$unit")
            grep -q '^NoNewPrivs:.1' "/proc/$pid/status" || {{ echo "$unit has none"; exit 1; }}
        done
    """,
    )


def prepare() -> None:
    """Somebody who has a password alone, a key for nobody but root, and tables of other tools."""
    LAB.prepare()
    set_variables()
    on(
        VPS,
        f"""
        id deploy >/dev/null 2>&1 || useradd --create-home --shell /bin/bash deploy
        echo 'deploy:{PASSWORD}' | chpasswd
        echo 'deploy ALL=(ALL:ALL) NOPASSWD: ALL' > /etc/sudoers.d/deploy
        rm -rf /home/deploy/.ssh /etc/ssh/sshd_config.d/lab.conf
        echo 'PasswordAuthentication yes' > /etc/ssh/sshd_config.d/50-cloud-init.conf
        systemctl reload ssh
        nft -f - <<'END'
{OTHERS}
END
        (nft list table inet house; nft list table ip docker) > /root/others
    """,
    )
    # A key that is refused: who has none at all fails at nothing, as sshd sees it.
    on(STRANGER, "test -e .ssh/id_ed25519 || ssh-keygen -q -t ed25519 -N '' -f .ssh/id_ed25519")


def others_are_untouched() -> None:
    """Tables of other tools are as they were."""
    on(VPS, "(nft list table inet house; nft list table ip docker) | diff - /root/others")


def from_stranger() -> str:
    """What the stranger hears whose key is refused."""
    knock = "ssh -o StrictHostKeyChecking=no -o BatchMode=yes -o ConnectTimeout=4"
    return on(STRANGER, f"{knock} nobody_at_all@{VPS} true", status=255)


def answers_stranger() -> bool:
    """Whether sshd talks to the stranger, who only looks: that is no failure for sshd."""
    look = f"timeout 5 bash -c 'exec 3<>/dev/tcp/{VPS}/22 && head -c 4 <&3' 2>&1 || true"
    return "SSH-" in on(STRANGER, look)
