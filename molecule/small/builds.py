#!/usr/bin/env python3
"""Releases whose requirements are built beside a site under traffic, on a machine of 1 GiB.

    builds.py -i molecule/small/inventory

The site must be up. Each step is what a person types, and ends as it should or in one of two ways:
the release is live, or it was refused with the memory that it took, and the site goes on. Whatever
it is, no request fails. The last one must come to be live: what could not be built is a wheel.

Exit status 1, unless every step ended so and nothing failed.
"""

from __future__ import annotations

import argparse
import io
import shutil
import subprocess
import sys
import tarfile
import zipfile
from functools import partial
from pathlib import Path

from steps import PROJECT, ROOT, espalier, live, run

from espalier.lab.builder import container_name
from espalier.lab.process import as_root, podman, runtime_option

VENDOR = PROJECT / "vendor"
REFUSED = "it needs more memory than can be spared here: it was ended at"

# A package that takes 2 GiB to be built, 16 MiB at a time.
PYPROJECT = """\
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
[project]
name = "hungry"
version = "1.0"
"""
BACKEND = """\
def build_wheel(*arguments, **settings):
    eaten = [bytearray(b"x" * (16 << 20)) for _ in range(128)]
    raise SystemExit(f"it fits: {len(eaten)}")
"""
METADATA = "Metadata-Version: 2.1\nName: hungry\nVersion: 1.0\n"
WHEEL = "Wheel-Version: 1.0\nGenerator: hand\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


def make_sdist() -> None:
    """Write the package's source."""
    files = {"pyproject.toml": PYPROJECT, "backend.py": BACKEND, "PKG-INFO": METADATA}
    with tarfile.open(VENDOR / "hungry-1.0.tar.gz", "w:gz") as tar:
        for name, text in files.items():
            member = tarfile.TarInfo(f"hungry-1.0/{name}")
            member.size = len(text)
            tar.addfile(member, io.BytesIO(text.encode()))


def make_wheel() -> None:
    """Write what building it would have come to."""
    names = ("hungry.py", *(f"hungry-1.0.dist-info/{name}" for name in ("METADATA", "WHEEL")))
    record = "".join(f"{name},,\n" for name in (*names, "hungry-1.0.dist-info/RECORD"))
    with zipfile.ZipFile(VENDOR / "hungry-1.0-py3-none-any.whl", "w") as file:
        for name, text in zip(names, ("", METADATA, WHEEL), strict=True):
            file.writestr(name, text)
        file.writestr("hungry-1.0.dist-info/RECORD", record)


def with_lab(inventory: Path) -> Path:
    """A copy of the inventory that builds in the lab, with nothing built there yet."""
    copied = ROOT / ".lab/small/inventory"
    shutil.copytree(inventory, copied, dirs_exist_ok=True)
    with (copied / "group_vars/all/project.yml").open("a") as file:
        file.write("  build_on: lab\n")
    podman("rm", "--force", "--ignore", builder_of(copied))
    return copied


def builder_of(inventory: Path) -> str:
    """The container that builds for the site of an inventory."""
    return container_name("mysite", inventory)


def built(inventory: Path) -> dict[str, float]:
    """When each wheel that a lab machine keeps was built."""
    command = [
        "podman",
        *runtime_option(),
        "cp",
        f"{builder_of(inventory)}:/srv/mysite/wheels",
        "-",
    ]
    done = subprocess.run(as_root(command), capture_output=True, check=True)
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as tar:
        return {one.name: one.mtime for one in tar if one.name.endswith(".whl")}


def in_lab(inventory: Path, requirements: str, before: dict[str, float]) -> str:
    """Release with what a lab machine builds; gives what is wrong, if something is.

    `before`: gets what was built, and says what was built the time before.
    """
    if wrong := release(inventory, requirements, (True,)):
        return wrong
    if podman("exec", "espalier-small-vps1", "sh", "-c", "command -v cc || true"):
        return "the machine has a compiler"
    wheels = built(inventory)
    if not any("psycopg_c-" in name for name in wheels):
        return "the lab machine has built nothing"
    if again := [name for name in before if wheels.get(name) != before[name]]:
        return f"built again: {', '.join(again)}"
    before.update(wheels)
    return ""


def release(inventory: Path, requirements: str, ends: tuple[bool, ...]) -> str:
    """Release with more requirements; gives what is wrong with how it ended, if something is.

    `ends`: whether it may come to be live, or be refused.
    """
    (PROJECT / "requirements.txt").write_text(requirements)
    before = live(inventory)[0]
    status, said = espalier(inventory, "release")
    print(said, end="")
    after, healthy = live(inventory)
    if not healthy:
        return "the site is not healthy afterwards"
    if (status == 0) not in ends:
        return f"the release ended with {status}"
    if status == 0:
        return "" if after != before else "what was released is not live"
    if REFUSED not in said:
        return "the sentence says nothing of memory"
    return "" if after == before else "what was refused is live"


def main() -> int:
    """Run the command line; gives the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("-i", "--inventory", type=Path, required=True)
    inventory = parser.parse_args().inventory
    file = PROJECT / "requirements.txt"
    shutil.rmtree(VENDOR, ignore_errors=True)
    VENDOR.mkdir()
    make_sdist()
    added = ("hungry", "psycopg", "iniconfig", "--find-links")  # by a run before
    own = "".join(line for line in file.open() if not line.startswith(added))
    hungry = own + "--find-links vendor\nhungry\n"
    lab, wheels = with_lab(inventory), dict[str, float]()

    def with_a_wheel() -> str:
        make_wheel()
        return release(inventory, hungry, (True,))

    c = "psycopg[c]"
    with_c = partial(in_lab, lab, hungry + f"{c}\n", wheels)
    again = partial(in_lab, lab, hungry + f"{c}\niniconfig\n", wheels)
    # Of another version, as no wheel is kept of it.
    here = partial(release, inventory, hungry + f"{c}<3.3\n", (True, False))
    status = run(
        inventory,
        (
            ("a build that never fits", partial(release, inventory, hungry, (False,))),
            ("what it needs as a wheel", with_a_wheel),
            (f"{c}, built in the lab", with_c),
            (f"{c} again", again),
            (f"{c}, built here", here),
        ),
    )
    podman("rm", "--force", "--ignore", builder_of(lab))
    file.write_text(hungry)  # what can be installed, whichever way the last one ended
    return status


if __name__ == "__main__":
    sys.exit(main())
