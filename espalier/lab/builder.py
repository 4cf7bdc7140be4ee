"""A lab machine that builds wheels for a site: a container of the lab's image, without systemd.

It runs for as long as somebody holds the pipe that its first process reads, so what was cut off
leaves nothing that runs. Stopped, it keeps what was built and installed in it for the next time.
What is secret is in its memory alone, and gone when it stops.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

from espalier.lab.commands import install_command, missing_tools
from espalier.lab.image import ensure_image
from espalier.lab.machines import LABEL, digest, limits
from espalier.lab.process import DIRECTORY, LabError, as_root, podman, runtime_option
from espalier.wiring.debian import RELEASES

# No lab has such a name, nor a machine of one: theirs begin with `espalier-`.
PREFIX = "espalier.build"
KEY = "project.build_on: lab"
INSTEAD = "name a machine of the site with Django there, or remove the key"
WORK = "/run/espalier"  # for whoever uses the machine; in memory
START = 30  # seconds that a container may take to start
# {name}, {root}: the user, and the directory, of the project.
PREPARE = """
id -u {name} > /dev/null 2>&1 ||
  useradd --system --home-dir {root} --no-create-home --shell /usr/sbin/nologin {name}
install --directory --owner {name} --group {name} --mode 750 {root}/build
dpkg --configure -a  # what was cut off in the middle
"""


def refusal(platform: str) -> str:
    """Why no lab machine here can build for machines of a kind, and what to do; "" where one can.

    Args:
        platform: theirs, as `release status --json` tells it: "Debian GNU/Linux 13 on x86_64".
    """
    here = [
        f"Debian GNU/Linux {facts['version']} on {os.uname().machine}"
        for facts in RELEASES.values()
    ]
    if sys.platform != "linux":
        return f"{KEY}: a lab machine needs Linux on this computer: {INSTEAD}."
    if platform not in here:
        return (
            f"{KEY}: the site's machines are {platform}, and a lab machine on this computer is "
            f"{' or '.join(here)}, whose wheels may not run there: {INSTEAD}."
        )
    if missing := missing_tools():
        command = " ".join(install_command())
        return (
            f"{KEY}: not installed on this computer: {', '.join(missing)}. `{command}` installs "
            f"them. Or {INSTEAD}."
        )
    if (
        os.geteuid()
        and subprocess.run(["sudo", "-n", "podman", "--version"], capture_output=True).returncode
    ):
        return (
            f"{KEY}: a lab machine is made with sudo, which asks for a password on this computer, "
            "and nobody can type it in the middle of a release: let sudo run podman and mmdebstrap "
            f"without one (`sudo visudo`), or {INSTEAD}."
        )
    return ""


def container_name(project: str, inventory: Path) -> str:
    """The name of the container for a site: a project may have several, each with its inventory."""
    place = str(inventory.resolve())
    return f"{PREFIX}-{project}-{hashlib.sha256(place.encode()).hexdigest()[:8]}"


@dataclass(frozen=True)
class Builder:
    """A lab machine that runs: the name of its container."""

    container: str

    def run(self, argv: Sequence[str], stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        """Run a command there as root."""
        command = ["podman", *runtime_option(), "exec", "--interactive", self.container, *argv]
        # Of a session of its own: Ctrl-C is for whoever asked, who ends the machine as a whole.
        return subprocess.run(
            as_root(command), input=stdin, capture_output=True, start_new_session=True
        )

    def check(self, argv: Sequence[str], stdin: bytes = b"") -> bytes:
        """Run a command there that has to go well; gives its output.

        Raises:
            LabError: it did not.
        """
        done = self.run(argv, stdin)
        if done.returncode:
            words = done.stderr.decode(errors="replace").strip()
            raise LabError(f"`{argv[0]}` failed on the lab machine: {words}")
        return done.stdout

    def write(self, path: str, content: bytes, mode: str = "600") -> None:
        """Write a file."""
        script = 'mkdir -p "${1%/*}"; umask 077; cat > "$1"; chmod "$2" "$1"'
        self.check(["sh", "-ec", script, "write", path, mode], content)


@contextmanager
def running(
    container: str, name: str, root: str, settings: str, platform: str
) -> Iterator[Builder]:
    """Start a site's lab machine, made anew where its image is another one; stop it afterwards.

    Args:
        container: its name, from `container_name`.
        name: the project's, and its user's.
        root: the project's directory on machines.
        settings: the directory of its settings on machines.
        platform: of the site's machines; see `refusal`.

    Raises:
        LabError: it cannot be made, or does not start.
    """
    if sentence := refusal(platform):
        raise LabError(sentence, 2)
    version = platform.split(" on ")[0].split()[-1]
    with redirect_stdout(sys.stderr):  # standard output is for data
        image = ensure_image(f"debian-{version}")
    _ensure_container(container, root, settings, image)
    command = ["podman", *runtime_option(), "start", "--attach", "--interactive", container]
    holder = subprocess.Popen(
        as_root(command),
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        cwd=DIRECTORY,
        start_new_session=True,
    )
    builder = Builder(container)
    try:
        _wait_for(builder, holder)
        builder.check(["sh", "-ec", PREPARE.format(name=name, root=root)])
        yield builder
    finally:
        podman("stop", "--time", "0", container, check=False)
        holder.communicate()


def _ensure_container(container: str, root: str, settings: str, image: str) -> None:
    """Make the container, unless it is there and of this image; end what runs in it."""
    options = ["--interactive", "--hostname", "lab", *limits()]
    for folder in (settings, f"{root}/build", WORK):
        options += ["--tmpfs", f"{folder}:rw,exec,mode=755"]
    options += [image, "cat"]
    known = podman("container", "inspect", container, check=False)
    if known.startswith("[") and (entries := json.loads(known)):
        if entries[0]["Config"]["Labels"].get("espalier.spec") == digest(options):
            podman("stop", "--time", "0", container, check=False)
            return
        podman("rm", "--force", "--time", "0", "--volumes", container)
    labels = (f"{LABEL}=build:{container}", f"espalier.spec={digest(options)}")
    options[:0] = [word for label in labels for word in ("--label", label)]
    podman("create", "--name", container, *options)


def _wait_for(builder: Builder, holder: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START
    while builder.run(["true"]).returncode:
        if holder.poll() is not None or time.monotonic() > deadline:
            holder.kill()
            words = holder.communicate()[1].decode(errors="replace").strip()
            raise LabError(f"the lab machine does not start: {words}")
        time.sleep(0.2)
