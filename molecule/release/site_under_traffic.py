"""The site of this scenario: what a person does with it, and what must be so afterwards."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from espalier.environment import plain_environment
from espalier.inventory.listing import read_machines
from espalier.lab.machines import SSH_KEY
from espalier.lab.process import podman
from espalier.load.site import site_of

ROOT = Path(__file__).resolve().parents[2]
HOME = ROOT / ".lab" / "release"
PROJECT = HOME / "project"
EXAMPLE = ROOT / "examples" / "orchard"
EVERY_PAGE = "garden/templates/garden/base.html"
ENTRY_POINTS = ("orchard/wsgi.py", "orchard/asgi.py")
FAILING_MIGRATION = """
from django.db import migrations


def fail(apps, schema_editor):
    raise ValueError("the rootstock does not take")


class Migration(migrations.Migration):
    dependencies = [("garden", "0002_first_trees")]
    operations = [migrations.RunPython(fail)]
"""
# What is added to the project's files so that a release fails in a step.
BROKEN: dict[str, dict[str, str]] = {
    "build": {"requirements.txt": "\nasgiref<1\n"},
    "migrate": {"garden/migrations/0003_fails.py": FAILING_MIGRATION},
    "start": dict.fromkeys(ENTRY_POINTS, '\nraise RuntimeError("no sap today")\n'),
    "probe": {"garden/templates/garden/tree_list.html": "{% no such tag %}"},
}


class StepError(Exception):
    """A step did not end as it should."""


class Site:
    """A lab and a project of its own: what a person does with them, and what must be so after."""

    def __init__(self, inventory: Path) -> None:
        """Copy inventory and project."""
        HOME.mkdir(parents=True, exist_ok=True)
        self.inventory = HOME / "inventory"
        shutil.copytree(inventory, self.inventory, dirs_exist_ok=True)
        shutil.rmtree(PROJECT, ignore_errors=True)
        shutil.copytree(EXAMPLE, PROJECT, ignore=shutil.ignore_patterns("__pycache__", "*.sqlite3"))
        machines = read_machines(self.inventory)
        self.target = site_of(machines)
        self.lab = next(iter(machines.values()))["lab"]["name"]
        self.apps = next(iter(machines.values()))["topology"]["services"]["django"]
        self.addresses = {name: said["ansible_host"] for name, said in machines.items()}
        self.number = 0
        self._log = (HOME / "commands.log").open("w", buffering=1)

    def change(self, additions: dict[str, str] | None = None) -> None:
        """Change one line of every page, and add to other files."""
        self.number += 1
        for name in {EVERY_PAGE, *(name for step in BROKEN.values() for name in step)}:
            source, target = EXAMPLE / name, PROJECT / name
            if source.exists():
                shutil.copyfile(source, target)
            else:
                target.unlink(missing_ok=True)
        with open(PROJECT / EVERY_PAGE, "a") as page:
            page.write(f"<!-- release {self.number} -->\n")
        for name, text in (additions or {}).items():
            with open(PROJECT / name, "a") as file:
                file.write(text)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start a command of `espalier`."""
        return self.spawn("espalier", arguments[0], "-i", str(self.inventory), *arguments[1:])

    def start_site(self) -> subprocess.Popen[str]:
        """Start a run of site.yml."""
        return self.spawn("ansible-playbook", "site.yml", "-i", str(self.inventory))

    def spawn(self, program: str, *arguments: str) -> subprocess.Popen[str]:
        """Start a program of the kit, with low priority: it would run on another machine."""
        return subprocess.Popen(
            ["nice", str(Path(sys.executable).with_name(program)), *arguments],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            env=plain_environment(PYTHONUNBUFFERED="1"),
        )

    def command(self, *arguments: str, status: int = 0) -> str:
        """Run a command of `espalier`; StepError unless it ends with the exit status."""
        job = self.start(*arguments)
        said = job.communicate()[0]
        self._log.write(f"$ {' '.join(arguments)}\n{said}\n")
        if job.returncode != status:
            raise StepError(f"{arguments[0]} ended with {job.returncode}, not {status}:\n{said}")
        return said

    def live(self) -> dict[str, Any]:
        """Give the release that is live, per machine."""
        said = self.start("status", "--json").communicate()[0]
        return {machine: answer.get("live") for machine, answer in json.loads(said).items()}

    def expect_same(self, before: dict[str, Any]) -> None:
        """StepError unless every machine serves what it served before, and well."""
        after = self.live()
        for machine in self.apps:
            one, other = before[machine], after[machine]
            if not other or not other["healthy"] or one["identity"] != other["identity"]:
                raise StepError(f"{machine} served {one} and now serves {other}")

    def expect_new(self) -> None:
        """StepError unless every machine serves the newest change."""
        often = 4 * len(self.apps)  # of whichever machine nginx asks
        ask = (
            "import socket, ssl, urllib.request as u; c = ssl._create_unverified_context(); "
            "find = socket.getaddrinfo; "
            "socket.getaddrinfo = lambda host, *rest, **more: find('127.0.0.1', *rest, **more); "
            f"p = [u.urlopen('https://orchard.example/', context=c) for _ in range({often})]; "
            f"print(sum(b'<!-- release {self.number} -->' in one.read() for one in p))"
        )
        new = int(self.ssh("vps1", f"python3 -c {shlex.quote(ask)}"))
        if new != often:
            raise StepError(f"{new} of {often} front pages are those of release {self.number}")
        lives = {(one or {}).get("identity") for one in self.live().values()}
        if len(lives) != 1:
            raise StepError(f"the machines serve different releases: {lives}")

    def ssh(self, machine: str, command: str) -> str:
        """Run a command on a machine; StepError if it fails."""
        options = ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"]
        target = f"root@{self.addresses[machine]}"
        done = subprocess.run(
            ["ssh", "-i", str(SSH_KEY), *options, "-o", "LogLevel=ERROR", target, command],
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise StepError(f"{machine}: {command}: {done.stderr.strip()}")
        return done.stdout

    def podman(self, *arguments: str, machine: str) -> None:
        """Do something to a machine as a whole."""
        podman(*arguments, f"espalier-{self.lab}-{machine}")

    def converge(self, status: int = 0) -> str:
        """Run site.yml; StepError unless it ends with the exit status."""
        job = self.start_site()
        said = job.communicate()[0]
        self._log.write(f"$ ansible-playbook site.yml\n{said}\n")
        if job.returncode != status:
            raise StepError(f"site.yml ended with {job.returncode}:\n{said[-3000:]}")
        return said

    def until(self, job: subprocess.Popen[str], words: str) -> None:
        """Read what a command says until a line has some words; StepError if it ends before."""
        assert job.stdout
        said = []
        for line in job.stdout:
            said.append(line)
            if words in " ".join(line.split()):
                return
        raise StepError(f"it ended before it said {words!r}:\n{''.join(said)}")

    def wait_for(self, what: str, condition: Callable[[], bool], seconds: float = 120) -> None:
        """Wait until something is so."""
        deadline = time.monotonic() + seconds
        while True:
            with suppress(StepError):
                if condition():
                    return
            if time.monotonic() > deadline:
                raise StepError(f"waited {seconds:g} s in vain for {what}")
            time.sleep(0.5)

    def pyinfra(self, status: int) -> str:
        """Run the deploy file by pyinfra's own command; StepError unless it ends so."""
        command = [str(Path(sys.executable).with_name("pyinfra")), "-y"]
        done = subprocess.run(
            [*command, "deploys/inventory.py", "deploys/release.py"],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            env=plain_environment(INVENTORY=str(self.inventory)),
        )
        self._log.write(done.stdout)
        if done.returncode != status:
            raise StepError(f"pyinfra ended with {done.returncode}:\n{done.stdout[-3000:]}")
        return done.stdout

    def lock_holder(self) -> dict[str, Any] | None:
        """Give who holds the lock over the site, or None."""
        said = json.loads(self.start("status", "--json").communicate()[0])
        return said["vps1"]["site_lock"] or said["vps1"]["lock"]
