"""Has a lab machine of this computer build what a release requires, as a machine of the site would.

The same program builds there, with the machine's own configuration and its uv.
"""

from __future__ import annotations

import base64
import io
import json
import tarfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from espalier.lab.builder import WORK, running
from espalier.project.rules.build_on import LAB
from espalier.rollout.commands import read_answer, release_command
from espalier.wiring.directories import project_directories
from espalier.wiring.programs import program

# Prints what `settings` reads; secrets are in it, so no file is made of them on the way.
PACK = 'set -o pipefail; tar -c -C "$1" . | base64'


def pack_command(project: str) -> list[str]:
    """The command that prints a machine's configuration of a project, for root alone."""
    return ["bash", "-c", PACK, "pack", project_directories(project)["settings"]]


def build_wheels(
    container: str,
    project: str,
    platform: str,
    packages: Sequence[str],
    archive: Path,
    wheels: Path,
    configuration: Callable[[], list[str]],
    fetch: Callable[[str, Path], None],
) -> Mapping[str, Any]:
    """Build wheels for an archive; gives what the release command tells.

    Args:
        container: the name of the lab machine's.
        project: its name.
        platform: of the site's machines, as they tell it.
        packages: of Debian, which the project names.
        archive: what is to be released, here.
        wheels: where those that were built are put here, if there are any.
        configuration: runs `pack_command` on a machine of the site; gives its lines.
        fetch: brings a file, which anybody there may read, from that machine here.

    Raises:
        SiteError: no lab machine can be had, or the requirements cannot be installed there.
    """
    paths = project_directories(project)
    with running(container, project, paths["root"], paths["settings"], platform) as lab:
        packed = base64.b64decode("".join(configuration()))
        lab.check(["tar", "-x", "-C", paths["settings"]], packed)
        uv = uv_path(packed)
        if lab.run(["test", "-x", uv]).returncode:
            local = wheels.with_name("uv")
            fetch(uv, local)
            lab.write(uv, local.read_bytes(), "755")
        here, there, made = f"{WORK}/release.pyz", f"{WORK}/{archive.name}", f"{WORK}/wheels.tar"
        lab.write(here, program("release").content)
        lab.write(there, archive.read_bytes())
        named = [f"--package={name}" for name in packages]
        command = ["--only-here", "build-wheels", *named, there, made]
        arguments = release_command(project, command)[1:]
        done = lab.run(["/usr/bin/python3", "-I", "-S", here, *arguments])
        lines = [out.decode(errors="replace").splitlines() for out in (done.stdout, done.stderr)]
        data = read_answer(LAB, *lines)
        if data["wheels"]:
            wheels.write_bytes(lab.check(["cat", made]))
    return data


def uv_path(packed: bytes) -> str:
    """Where a machine has its uv, from its packed configuration."""
    with tarfile.open(fileobj=io.BytesIO(packed)) as tar:
        file = tar.extractfile("./release.json")
        assert file
        return str(json.load(file)["uv"])
