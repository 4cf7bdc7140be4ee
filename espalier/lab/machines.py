"""Machines as podman containers: start those that are wanted, keep those that have not changed."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import resource
import subprocess
import time
from pathlib import Path

from espalier.lab.inventory import Lab, Machine
from espalier.lab.process import LabError, as_root, podman, run, runtime_option, step

CACHE = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "espalier" / "lab"
SSH_KEY = CACHE / "id_ed25519"
LABEL = "espalier.lab"
# Of version 1: memory, and processor time, which most kernels mount together.
HIERARCHIES = ("memory", "cpu", "cpuacct", "cpu,cpuacct")


def limits() -> list[str]:
    """Ask for process and file limits that this machine's own hard limits allow.

    Without CAP_SYS_RESOURCE podman's defaults would be refused where the hard limits are small.
    """
    options = []
    for name, which, wanted in (
        ("nofile", resource.RLIMIT_NOFILE, 65536),
        ("nproc", resource.RLIMIT_NPROC, 32768),
    ):
        hard = resource.getrlimit(which)[1]
        value = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        options += ["--ulimit", f"{name}={value}:{value}"]
    return options


def sizes(machine: Machine) -> list[str]:
    """Give the podman options for a machine's size, which may change while it runs."""
    options = []
    if machine.memory_mb:
        swap = 2 * machine.memory_mb  # podman's own default, which an update does not repeat
        options += ["--memory", f"{machine.memory_mb}m", "--memory-swap", f"{swap}m"]
    if machine.cores:
        options += ["--cpus", str(machine.cores)]
    return options


def hierarchies(root: Path = Path("/sys/fs/cgroup")) -> list[str]:
    """Let a machine's systemd bound its units where cgroups are of version 1.

    There podman mounts a container's own cgroup and read-only, so that a unit's MemoryMax= would do
    nothing. systemd looks below the mount for the path that /proc/self/cgroup names, which begins
    at the host's root. With version 2 a container writes to a namespace of its own.
    """
    options = []
    for name in HIERARCHIES:
        place = root / name
        if place.is_dir() and not place.is_symlink():
            options += ["--volume", f"{place}:{place}:rw"]
    return options


def specification(lab: Lab, machine: Machine, image: str) -> list[str]:
    """Give the ``podman run`` options that make up a machine, but for its size."""
    options = [
        *("--hostname", machine.name),
        *("--network", lab.network_name, "--ip", machine.address),
        *("--systemd", "always", "--cap-add", "SYS_ADMIN,NET_ADMIN,SYS_PTRACE,DAC_READ_SEARCH"),
        *limits(),
        *hierarchies(),
    ]
    for where, size in machine.tmpfs.items():
        options += ["--tmpfs", f"{where}:rw,exec,mode=755,size={size}"]
    return [*options, image, "/sbin/init"]


def ensure_network(lab: Lab) -> None:
    """Make the lab's network, or make it anew where a left-over has another address range."""
    known = podman("network", "inspect", lab.network_name, check=False)
    if known.startswith("["):
        entries = json.loads(known)
        if entries and any(s.get("subnet") == lab.network for s in entries[0].get("subnets", [])):
            return
        podman("network", "rm", "--force", lab.network_name)
    podman("network", "create", "--subnet", lab.network, "--label", LABEL, lab.network_name)


def keep_bridge_address(lab: Lab, interfaces: Path = Path("/sys/class/net")) -> None:
    """Have the network's bridge keep its address when a machine is taken away.

    A bridge has the lowest address of its ports, until it is given one. Where that changes, what
    the other machines send to this host is lost until they ask for its address again: up to a
    minute, in which connections that are being made are stuck for ever.
    """
    network = json.loads(podman("network", "inspect", lab.network_name))[0]
    bridge = network["network_interface"]
    if (file := interfaces / bridge / "address").exists():
        command = ["ip", "link", "set", "dev", bridge, "address", file.read_text().strip()]
        with contextlib.suppress(FileNotFoundError):  # a system without iproute2 does without it
            run(as_root(command), check=False)


def answers(machine: Machine) -> bool:
    """Say whether the machine answers over SSH and has finished starting."""
    options = ["StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "BatchMode=yes"]
    options += ["ConnectTimeout=2", "LogLevel=ERROR"]
    command = ["ssh", "-i", str(SSH_KEY)]
    for option in options:
        command += ["-o", option]
    remote = "systemctl is-system-running --wait"
    done = subprocess.run(
        [*command, f"root@{machine.address}", remote], capture_output=True, text=True, check=False
    )
    return done.stdout.strip() in ("running", "degraded")


def ensure_machine(lab: Lab, machine: Machine, image: str) -> None:
    """Start the machine; replace a left-over that differs from what is wanted or does not start.

    One that differs only in its size is given the new one, and keeps what it holds.
    """
    name = lab.container(machine)
    options = specification(lab, machine, image)
    wanted = digest(options)
    key = SSH_KEY.with_suffix(".pub").read_text()
    known = podman("container", "inspect", name, check=False)
    if known.startswith("[") and (entries := json.loads(known)):
        made_from = entries[0]["Config"]["Labels"].get("espalier.spec")
        same = made_from in (wanted, digest(_options_before_0_12(options)))
        if same and not entries[0]["State"]["Running"]:
            podman("start", name, check=False)
        if same and (size := sizes(machine)):
            podman("update", *size, name, check=False)  # lasts as long as it runs
        if same and authorise(name, key) and wait_for(machine, 15):
            return
        podman("rm", "--force", "--time", "0", "--volumes", name)
    with step(f"start {machine.name} ({machine.image}, {machine.address})"):
        labels = ["--label", f"{LABEL}={lab.name}", "--label", f"espalier.spec={wanted}"]
        podman("run", "--detach", "--name", name, *labels, *sizes(machine), *options)
        authorise(name, key)
        # Fresh from the image, the package lists are empty but look new; a VPS's are old.
        podman("exec", name, "touch", "--date", "2000-01-01", "/var/lib/apt/lists")
        if not wait_for(machine, 60):
            journal = podman("exec", name, "journalctl", "-n", "30", "--no-pager", check=False)
            raise LabError(f"{machine.name} does not answer over SSH after 60 s:\n{journal}")


def digest(options: list[str]) -> str:
    """Tell podman's options from others."""
    return hashlib.sha256(json.dumps(options).encode()).hexdigest()[:12]


def _options_before_0_12(options: list[str]) -> list[str]:
    """What the label of a machine stands for that the version before has made."""
    added = hierarchies()
    place = options.index(added[0]) if added else 0
    return options[:place] + options[place + len(added) :]


def authorise(container: str, key: str) -> bool:
    """Put the lab's public key on a machine; False where the machine does not run."""
    script = "install -d -m 700 /root/.ssh && cat > /root/.ssh/authorized_keys"
    command = as_root(
        ["podman", *runtime_option(), "exec", "--interactive", container, "sh", "-c", script]
    )
    return subprocess.run(command, input=key, text=True, capture_output=True).returncode == 0


def wait_for(machine: Machine, seconds: float) -> bool:
    """Wait until a machine answers, at most so long."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if answers(machine):
            return True
        time.sleep(0.3)
    return False


def ensure_key() -> None:
    """Make the SSH key that opens lab machines, once."""
    if not SSH_KEY.exists():
        CACHE.mkdir(parents=True, exist_ok=True, mode=0o700)
        run(
            [
                "ssh-keygen",
                "-q",
                "-t",
                "ed25519",
                "-N",
                "",
                "-C",
                "espalier-lab",
                "-f",
                str(SSH_KEY),
            ]
        )


def containers(label: str) -> list[str]:
    """List the names of the containers that carry a label."""
    return podman(
        "ps", "--all", "--filter", f"label={label}", "--format", "{{.Names}}"
    ).splitlines()
