"""What is done with a lab as a whole: make it, remove it, say what runs, clean up after all."""

from __future__ import annotations

import json
import os
import shlex
import shutil
from pathlib import Path

from espalier.lab.image import ensure_image
from espalier.lab.inventory import Lab
from espalier.lab.machines import (
    LABEL,
    containers,
    ensure_key,
    ensure_machine,
    ensure_network,
    keep_bridge_address,
)
from espalier.lab.process import LabError, podman, step, tool_path

PREREQUISITES = Path(__file__).with_name("prerequisites")
TOOLS = ("podman", "mmdebstrap", "ssh", "ssh-keygen", "iptables")


def up(lab: Lab) -> None:
    """Make the lab's machines."""
    if missing := missing_tools():
        command = shlex.join(install_command())
        raise LabError(f"Not installed: {', '.join(missing)}. `{command}` installs them.")
    ensure_key()
    images = {name: ensure_image(name) for name in sorted({m.image for m in lab.machines})}
    ensure_network(lab)
    wanted = {lab.container(machine) for machine in lab.machines}
    for name in containers(f"{LABEL}={lab.name}"):
        if name not in wanted:
            podman("rm", "--force", "--time", "0", "--volumes", name)
    for machine in lab.machines:
        ensure_machine(lab, machine, images[machine.image])
    keep_bridge_address(lab)


def down(lab: Lab) -> None:
    """Remove the lab's machines and network."""
    for name in containers(f"{LABEL}={lab.name}"):
        with step(f"remove {name}"):
            podman("rm", "--force", "--time", "0", "--volumes", name)
    if json.loads(podman("network", "inspect", lab.network_name, check=False) or "[]"):
        podman("network", "rm", "--force", lab.network_name)


def clean() -> None:
    """Remove everything that any lab of this kit has left on this machine."""
    for name in containers(LABEL):
        podman("rm", "--force", "--time", "0", "--volumes", name)
    networks = podman("network", "ls", "--filter", f"label={LABEL}", "--format", "{{.Name}}")
    for name in networks.splitlines():
        podman("network", "rm", "--force", name)
    images = podman("images", "--format", "{{.Repository}}:{{.Tag}}").splitlines()
    for name in images:
        if name.startswith("localhost/espalier-lab-"):
            podman("rmi", "--force", name)
    print("lab: no machine, network or image is left")


def status(lab: Lab) -> None:
    """Say of each machine whether it runs; LabError unless all do."""
    running = set(podman("ps", "--format", "{{.Names}}").splitlines())
    for machine in lab.machines:
        state = "runs" if lab.container(machine) in running else "does not run"
        print(f"{machine.name:<12} {machine.image:<10} {machine.address:<15} {state}")
    if not {lab.container(machine) for machine in lab.machines} <= running:
        raise LabError(
            f"Not every machine of the lab {lab.name} runs. What has made them, such as "
            "`espalier up`, makes them again."
        )


def missing_tools() -> list[str]:
    """What a lab needs and this machine does not have."""
    return [tool for tool in TOOLS if not shutil.which(tool, path=tool_path())]


def install_command() -> list[str]:
    """The command that installs what a lab needs, where it is missing."""
    sudo = [] if os.geteuid() == 0 else ["sudo"]
    return ["bash", str(PREREQUISITES), "up", *sudo]
