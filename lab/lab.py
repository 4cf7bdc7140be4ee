#!/usr/bin/env python3
"""The lab: throw-away local machines with real systemd and real SSH, made from an inventory.

    lab.py up     -i inventories/lab     make (or keep) the machines that the inventory lists
    lab.py down   -i inventories/lab     remove them, their network and nothing else
    lab.py status -i inventories/lab     say what runs
    lab.py clean                         remove every lab of this kit, and its images

The inventory is the whole specification. It says ``lab: {name: …, network: …/24}`` for all, and for
each machine ``ansible_host`` and, optionally, ``lab_image`` (debian-13 or debian-12),
``memory_mb``, ``cores`` and ``lab_tmpfs`` (mount point: size). LAB_IMAGE in the environment goes
before ``lab_image``: the same lab on the other Debian. Machines are podman containers; a machine
whose specification has not changed is kept, what a killed run left over is replaced.

Only the standard library is used, as this runs before anything else is installed.
"""

from __future__ import annotations

import argparse
import hashlib
import ipaddress
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

CACHE = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "espalier" / "lab"
SSH_KEY = CACHE / "id_ed25519"
LABEL = "espalier.lab"
CODENAMES = {"debian-12": "bookworm", "debian-13": "trixie"}
TOOLS = ("podman", "mmdebstrap", "ssh", "ssh-keygen", "iptables")
# What a VPS image of any provider has, and not more: the roles must bring the rest.
PACKAGES = [
    *("systemd", "systemd-sysv", "dbus", "openssh-server", "sudo", "procps", "iproute2"),
    *("python3", "python3-apt", "apt-utils", "ca-certificates", "nftables"),
]


class LabError(Exception):
    """A sentence for the person at the terminal."""


@dataclass(frozen=True)
class Machine:
    """One machine of the lab, as its inventory describes it; sizes in MiB and cores."""

    name: str
    address: str
    image: str = "debian-13"
    memory_mb: int | None = None
    cores: float | None = None
    tmpfs: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Lab:
    """A named set of machines on one network of its own."""

    name: str
    network: str
    machines: tuple[Machine, ...]

    @property
    def network_name(self) -> str:
        """The name of the podman network."""
        return f"espalier-{self.name}"

    def container(self, machine: Machine) -> str:
        """The name of a machine's container."""
        return f"espalier-{self.name}-{machine.name}"


def parse_lab(inventory: Mapping[str, Any]) -> Lab:
    """Read a lab from what ``ansible-inventory --list`` says.

    Raises LabError where the inventory is not that of a lab.
    """
    hostvars = inventory.get("_meta", {}).get("hostvars", {})
    if not hostvars:
        raise LabError("The inventory lists no machine: add one under `hosts:` in hosts.yml.")
    settings = next(iter(hostvars.values())).get("lab")
    if not isinstance(settings, dict) or not {"name", "network"} <= settings.keys():
        raise LabError(
            "This inventory is not a lab: its hosts.yml has no `lab: {name: …, network: …}` under "
            "`all: vars:`. The lab makes and removes machines, so it touches no other inventory."
        )
    network = ipaddress.ip_network(settings["network"])
    if not network.subnet_of(ipaddress.ip_network("198.18.0.0/15")):
        raise LabError(
            f"The lab's network {network} is outside 198.18.0.0/15, the range that is kept for "
            "tests and that no office uses: write for example `network: 198.18.7.0/24`."
        )
    machines = []
    for name, variables in hostvars.items():
        address = variables.get("ansible_host", "")
        if not address or ipaddress.ip_address(address) not in network:
            raise LabError(
                f"Machine {name}: `ansible_host: {address}` is not in the lab's network {network}."
            )
        image = os.environ.get("LAB_IMAGE") or variables.get("lab_image", Machine.image)
        if image not in CODENAMES:
            raise LabError(
                f"Machine {name}: `lab_image`, or LAB_IMAGE in the environment, is {image}; it is "
                f"one of {', '.join(CODENAMES)}."
            )
        machines.append(
            Machine(
                name,
                address,
                image,
                variables.get("memory_mb"),
                variables.get("cores"),
                variables.get("lab_tmpfs", {}),
            )
        )
    return Lab(settings["name"], str(network), tuple(machines))


# --- running things -------------------------------------------------------------------------------


def run(command: Sequence[str], *, check: bool = True, **options: Any) -> str:
    """Run a command and give its standard output; LabError with its error output if it fails."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    if check and done.returncode:
        raise LabError(
            f"`{' '.join(command[:4])} …` failed:\n{(done.stderr or done.stdout).strip()}"
        )
    return done.stdout.strip()


def as_root(command: Sequence[str]) -> list[str]:
    """Put sudo before a command where this process is not root."""
    return list(command) if os.geteuid() == 0 else ["sudo", *command]


def podman(*arguments: str, check: bool = True) -> str:
    """Run podman as root, with the container runtime that this machine's cgroups need."""
    return run(as_root(["podman", *runtime_option(), *arguments]), check=check)


def runtime_option() -> list[str]:
    """Choose runc where cgroups are not purely version 2: crun refuses the hybrid layout."""
    pure_v2 = Path("/sys/fs/cgroup/cgroup.controllers").exists()
    return [] if pure_v2 or not shutil.which("runc") else ["--runtime", "runc"]


@contextmanager
def step(what: str) -> Iterator[None]:
    """Say what is being done, and afterwards how long it took."""
    print(f"lab: {what} … ", end="", flush=True)
    began = time.monotonic()
    try:
        yield
    except BaseException:
        print("failed")
        raise
    print(f"{time.monotonic() - began:.0f} s")


# --- the image ------------------------------------------------------------------------------------


def apt_sources(codename: str) -> str:
    """Give the apt sources for a Debian release, from the mirrors that this machine itself uses.

    Empty where it uses none of Debian's (Ubuntu, say): mmdebstrap then knows a public one.
    """
    mirror = security = ""
    targets = run(
        ["apt-get", "indextargets", "--format", "$(SITE)|$(RELEASE)|$(ORIGIN)|$(REPO_URI)"],
        check=False,
    )
    for line in targets.splitlines():
        _site, release, origin, uri = [*line.split("|"), "", "", "", ""][:4]
        if origin != "Debian":
            continue
        if release.endswith("-security") or "/debian-security" in uri:
            security = uri.rstrip("/")
        elif "-" not in release:
            mirror = uri.rstrip("/")
    return "".join(
        f"deb {where} {suite} main\n"
        for where, suite in (
            (mirror, codename),
            (mirror, f"{codename}-updates"),
            (security, f"{codename}-security"),
        )
        if where
    )


def apt_settings() -> str:
    """Give this machine's proxy and TLS settings of apt (and no others), as an apt.conf file."""
    wanted = re.compile(r"^Acquire::(http|https|ftp)::[^ ]+ \"[^\"]+\";$|^Acquire::Retries ")
    lines = run(["apt-config", "dump"], check=False).splitlines()
    unwanted = ("User-Agent", "::No-", "::Dl-Limit", "::Timeout", "AllowRedirect")
    return "".join(
        f"{line}\n" for line in lines if wanted.match(line) and not any(u in line for u in unwanted)
    )


def index_settings() -> tuple[str, str]:
    """Give this machine's Python index settings as a pip.conf and a uv.toml.

    Local directories are left out, as a machine cannot see them.
    """
    values: dict[str, str] = {}
    for line in run([sys.executable, "-m", "pip", "config", "list"], check=False).splitlines():
        key, _, value = line.partition("=")
        values[key.split(".")[-1].replace("_", "-")] = value.strip("'\"")
    index = values.get("index-url", "")
    extra = [u for u in values.get("extra-index-url", "").split() if u.startswith("http")]
    pip = "[global]\ncert = /etc/ssl/certs/ca-certificates.crt\n"
    uv = "system-certs = true\n"
    if index:
        pip += f"index-url = {index}\n"
        uv += f'[[index]]\nurl = "{index}"\ndefault = true\n'
    if extra:
        pip += f"extra-index-url = {' '.join(extra)}\n"
        uv += "".join(f'[[index]]\nurl = "{u}"\n' for u in extra)
    return pip, uv


def image_files(codename: str) -> dict[str, str]:
    """Give what the image carries beside packages: path in the image -> content."""
    pip, uv = index_settings()
    proxies = "".join(
        f'{name}="{os.environ[name]}"\n'
        for name in ("http_proxy", "https_proxy", "no_proxy")
        if os.environ.get(name)
    )
    files = {
        "/etc/apt/sources.list": apt_sources(codename),
        "/etc/apt/apt.conf.d/90controller": apt_settings(),
        "/etc/pip.conf": pip,
        "/etc/uv/uv.toml": uv,
        "/etc/environment": proxies,
        # Every machine makes host keys of its own at its first start.
        "/etc/systemd/system/ssh.service.d/host-keys.conf": (
            "[Service]\nExecStartPre=\nExecStartPre=/usr/bin/ssh-keygen -A\n"
            "ExecStartPre=/usr/sbin/sshd -t\n"
        ),
        "/etc/ssh/sshd_config.d/lab.conf": "PasswordAuthentication no\nUseDNS no\n",
    }
    for certificate in sorted(Path("/usr/local/share/ca-certificates").glob("**/*.crt")):
        files[f"/usr/local/share/ca-certificates/{certificate.name}"] = certificate.read_text()
    return files


def build_image(name: str, codename: str, files: Mapping[str, str], folder: Path) -> None:
    """Make a file system from packages and files, and import it as the image ``name``."""
    root, archive, sources = folder / "files", folder / "image.tar", folder / "sources.list"
    for path, content in files.items():
        if not content:
            continue
        target = root / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(content)
    sources.write_text(files["/etc/apt/sources.list"])
    bootstrap = [
        *("mmdebstrap", "--quiet", "--variant=minbase", f"--include={','.join(PACKAGES)}"),
        f"--customize-hook=cp -r {root}/. $1/",
        "--customize-hook=chroot $1 update-ca-certificates",
        "--customize-hook=rm -f $1/etc/ssh/ssh_host_* && : > $1/etc/machine-id",
        # The copied tree's own root directory may be private; the machine's must not be.
        "--customize-hook=chmod 755 $1",
    ]
    if files["/etc/apt/apt.conf.d/90controller"]:
        bootstrap.append(f"--aptopt={root}/etc/apt/apt.conf.d/90controller")
    own = [str(sources)] if files["/etc/apt/sources.list"] else []
    if own:  # which mmdebstrap also writes there, for a second time
        bootstrap.append("--customize-hook=rm -f $1/etc/apt/sources.list.d/0000sources.list")
    run(as_root([*bootstrap, codename, str(archive), *own]))
    # Imported under its final name in one step: a killed build leaves no half image behind.
    podman("import", "--quiet", str(archive), name)


def ensure_image(distribution: str) -> str:
    """Build the image of a distribution unless one of the same content is there; give its name."""
    codename = CODENAMES[distribution]
    files = image_files(codename)
    recipe = json.dumps([codename, PACKAGES, files], sort_keys=True).encode()
    name = f"localhost/espalier-lab-{distribution}:{hashlib.sha256(recipe).hexdigest()[:12]}"
    # Captured, as podman warns of network settings of its own package that nothing here uses.
    exists = as_root(["podman", "image", "exists", name])
    found = subprocess.run(exists, check=False, capture_output=True)
    if found.returncode == 0:
        return name
    with (
        step(f"build the {distribution} image from Debian packages (once)"),
        tempfile.TemporaryDirectory(prefix="espalier-lab-") as folder,
    ):
        build_image(name, codename, files, Path(folder))
    return name


# --- the machines ---------------------------------------------------------------------------------


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


def specification(lab: Lab, machine: Machine, image: str) -> list[str]:
    """Give the ``podman run`` options that make up a machine."""
    options = [
        *("--hostname", machine.name),
        *("--network", lab.network_name, "--ip", machine.address),
        *("--systemd", "always", "--cap-add", "SYS_ADMIN,NET_ADMIN,SYS_PTRACE"),
        *limits(),
    ]
    if machine.memory_mb:
        options += ["--memory", f"{machine.memory_mb}m"]
    if machine.cores:
        options += ["--cpus", str(machine.cores)]
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


def answers(machine: Machine) -> bool:
    """Say whether the machine lets us in over SSH and has finished starting."""
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
    """Start the machine; replace a left-over that differs from what is wanted or does not start."""
    name = lab.container(machine)
    options = specification(lab, machine, image)
    digest = hashlib.sha256(json.dumps(options).encode()).hexdigest()[:12]
    key = SSH_KEY.with_suffix(".pub").read_text()
    known = podman("container", "inspect", name, check=False)
    if known.startswith("[") and (entries := json.loads(known)):
        same = entries[0]["Config"]["Labels"].get("espalier.spec") == digest
        if same and not entries[0]["State"]["Running"]:
            podman("start", name, check=False)
        if same and authorise(name, key) and wait_for(machine, 15):
            return
        podman("rm", "--force", "--time", "0", "--volumes", name)
    with step(f"start {machine.name} ({machine.image}, {machine.address})"):
        labels = ["--label", f"{LABEL}={lab.name}", "--label", f"espalier.spec={digest}"]
        podman("run", "--detach", "--name", name, *labels, *options)
        authorise(name, key)
        # Fresh from the image, the package lists are empty but look new; a VPS's are old.
        podman("exec", name, "touch", "--date", "2000-01-01", "/var/lib/apt/lists")
        if not wait_for(machine, 60):
            journal = podman("exec", name, "journalctl", "-n", "30", "--no-pager", check=False)
            raise LabError(f"{machine.name} does not answer over SSH after 60 s:\n{journal}")


def authorise(container: str, key: str) -> bool:
    """Put our public key on a machine; False where the machine does not run."""
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


# --- the commands ---------------------------------------------------------------------------------


def up(lab: Lab) -> None:
    """Make the lab's machines."""
    missing = [tool for tool in TOOLS if not shutil.which(tool, path=tool_path())]
    if missing:
        raise LabError(f"Not installed: {', '.join(missing)}. `make prerequisites` installs them.")
    ensure_key()
    images = {name: ensure_image(name) for name in sorted({m.image for m in lab.machines})}
    ensure_network(lab)
    wanted = {lab.container(machine) for machine in lab.machines}
    for name in containers(f"{LABEL}={lab.name}"):
        if name not in wanted:
            podman("rm", "--force", "--time", "0", "--volumes", name)
    for machine in lab.machines:
        ensure_machine(lab, machine, images[machine.image])


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
        raise LabError("Not every machine of this lab runs: `lab.py up` with the same -i makes it.")


def tool_path() -> str:
    """Give a PATH that has the system directories, which a plain user's PATH lacks."""
    return os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])


def load(inventory: str) -> Lab:
    """Read the lab that an inventory describes."""
    command = Path(sys.executable).with_name("ansible-inventory")
    listing = run([str(command), "-i", inventory, "--list"])
    return parse_lab(json.loads(listing))


def main() -> int:
    """Run the command line; gives the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("command", choices=["up", "down", "status", "clean"])
    parser.add_argument("-i", "--inventory", default="inventories/lab")
    arguments = parser.parse_args()
    try:
        if arguments.command == "clean":
            clean()
        else:
            {"up": up, "down": down, "status": status}[arguments.command](load(arguments.inventory))
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
