"""A person with a laptop and a VPS: the kit's wheel, a Django project, and no root.

Run alone after ``molecule create -s front_door``:
``pytest -x --ansible-inventory=molecule/front_door/inventory tests/front_door``.
"""

from __future__ import annotations

import io
import shlex
import shutil
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from espalier.inventory.listing import read_machines
from espalier.lab.machines import SSH_KEY
from espalier.load.site import site_of
from espalier.load.visitors import Load
from espalier.paths import KIT

WORK = KIT / ".lab" / "front-door"
IN_LAB = ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"]
IN_LAB += ["-o", "LogLevel=ERROR", "-o", "BatchMode=yes"]
DOMAIN = "shop.example.com"
PACKAGES = "python3-venv git openssh-client"  # what the kit asks for: Python, git, ssh


@dataclass(frozen=True)
class Typed:
    """What became of a command that somebody typed."""

    status: int
    output: str  # of both streams, as they came

    @property
    def lines(self) -> list[str]:
        """The output by lines."""
        return self.output.splitlines()


class Person:
    """Somebody at a control machine, with the project in ~/shop and the kit in ~/kit."""

    def __init__(self, address: str, user: str) -> None:
        """Be a user of the machine at an address."""
        self.address, self.user = address, user

    def ssh(self, line: str, *options: str, **settings: Any) -> subprocess.CompletedProcess[bytes]:
        """Run a shell line on the control machine."""
        command = ["ssh", "-i", str(SSH_KEY), *IN_LAB, *options, f"{self.user}@{self.address}"]
        return subprocess.run([*command, line], timeout=900, **settings)

    def types(
        self, line: str, *, answers: str = "", terminal: bool = False, directory: str = "shop"
    ) -> Typed:
        """Type a shell line in a directory, and what answers its questions on a terminal."""
        line = f"cd {directory} && export PATH=$HOME/kit/bin:$PATH && {line}"
        options = ["-tt"] if terminal else []
        done = self.ssh(f"({line}) 2>&1", *options, input=answers.encode(), stdout=subprocess.PIPE)
        output = done.stdout.decode().replace("\r\n", "\n")
        print(f"$ {line}\n{output}")
        return Typed(done.returncode, output)

    def gets(self, line: str, **settings: Any) -> str:
        """Type a line that has to end well; gives its output."""
        typed = self.types(line, **settings)
        assert typed.status == 0, typed.output
        return typed.output


def as_root(address: str) -> Callable[[str], str]:
    """Run shell lines as root on a machine of the lab."""
    root = Person(address, "root")

    def run(line: str) -> str:
        done = root.ssh(line, capture_output=True)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode()

    return run


@pytest.fixture(scope="session")
def addresses(request: pytest.FixtureRequest) -> dict[str, str]:
    """The lab's machines: laptop and vps1."""
    inventory = request.config.option.ansible_inventory or KIT / "molecule/front_door/inventory"
    return {name: of["ansible_host"] for name, of in read_machines(inventory).items()}


@pytest.fixture(scope="session")
def vps(addresses: dict[str, str]) -> Callable[[str], str]:
    """Run shell lines as root on the VPS."""
    return as_root(addresses["vps1"])


@pytest.fixture(scope="session")
def anna(addresses: dict[str, str], vps: Callable[[str], str]) -> Person:
    """A person with the kit's wheel in ~/kit, and a key that opens the VPS."""
    wheel = build_wheel()
    pip = "kit/bin/pip install --quiet --disable-pip-version-check"
    kit = f"chmod 755 ~ && python3 -m venv kit && {pip} {wheel.name}"
    kit += (
        f" && {pip} --no-deps --force-reinstall {wheel.name}"  # of a run before: the same version
    )
    return make_person(addresses["laptop"], vps, "anna", files={wheel.name: wheel}, kit=kit)


def make_person(
    address: str,
    vps: Callable[[str], str],
    name: str,
    *,
    kit: str,
    files: Mapping[str, Path] = MappingProxyType({}),
) -> Person:
    """Make a user of the laptop, with files in the home; `kit` is what puts the kit there."""
    root = as_root(address)
    install = "apt-get install -qq -y --no-install-recommends"
    root(f"apt-get update -qq && {install} {PACKAGES} >/dev/null")
    root(f"id {name} 2>/dev/null || useradd --create-home --shell /bin/bash {name}")
    root(f"cp -r /root/.ssh /home/{name}/ && chown -R {name}: /home/{name}/.ssh")
    person = Person(address, name)
    send(person, files)
    person.gets(kit, directory="~")
    make_key = "ssh-keygen -q -t ed25519 -N '' -f .ssh/id_ed25519"
    person.gets(f"test -e .ssh/id_ed25519 || {make_key}", directory="~")
    key = shlex.quote(person.gets("cat .ssh/id_ed25519.pub", directory="~").strip())
    keys = "/root/.ssh/authorized_keys"  # as the provider's form does
    vps(f"grep -qF {key} {keys} || echo {key} >> {keys}")
    return person


def build_wheel() -> Path:
    """Build the kit's wheel from this clone; gives its file."""
    shutil.rmtree(WORK / "wheel", ignore_errors=True)
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps"]
    subprocess.run([*build, "--wheel-dir", str(WORK / "wheel"), str(KIT)], check=True)
    (wheel,) = (WORK / "wheel").glob("*.whl")
    return wheel


def send(person: Person, files: Mapping[str, Path]) -> None:
    """Copy files and directories into a person's home, under these names."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, path in files.items():
            archive.add(path, name, filter=lambda one: None if "__pycache__" in one.name else one)
    done = person.ssh("tar -x --no-same-owner", input=packed.getvalue())
    assert done.returncode == 0


@pytest.fixture(scope="session")
def shop(anna: Person) -> str:
    """The project in ~/shop: the example, as if it were hers, committed."""
    anna.gets("rm -rf shop", directory="~")  # of a run before
    send(anna, {"shop": KIT / "examples" / "orchard"})
    anna.gets(
        "git init -q -b main && git config user.email anna@example.com && git config user.name Anna"
        " && git add . && git commit -q -m 'A shop'"
    )
    return "shop"


@pytest.fixture
def visitors(anna: Person) -> Callable[[], Any]:
    """Visit the site while something is done, reading and writing; nothing may fail or be lost."""

    @contextmanager
    def visit() -> Iterator[None]:
        inventory = WORK / "inventory"
        shutil.rmtree(inventory, ignore_errors=True)
        inventory.mkdir(parents=True)
        pack = "tar -c --exclude=.secrets --exclude=vault.yml ."
        done = anna.ssh(f"cd shop/deploy/production && {pack}", stdout=subprocess.PIPE)
        with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
            archive.extractall(inventory, filter="data")
        site = site_of(read_machines(inventory))
        load = Load(site, ledger_path=WORK / "ledger.jsonl", pause=0.05)
        with load:
            time.sleep(1)
            yield
            time.sleep(1)
        load.verify()

    return visit
