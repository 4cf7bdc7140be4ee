"""The lab's command: ``python -m espalier.lab up -i inventories/lab``."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import click

from espalier.lab import commands
from espalier.lab.inventory import Lab, read_lab
from espalier.lab.process import LabError


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Make and remove throw-away local machines with real systemd and real SSH.

    The inventory is the whole specification. It says `lab: {name: …, network: …/24}` for all, and
    for each machine `ansible_host` and, optionally, `lab_image` (debian-13 or debian-12),
    `memory_mb`, `cores` and `lab_tmpfs` (mount point: size). LAB_IMAGE in the environment goes
    before `lab_image`: the same lab on the other Debian, but for machines with `lab_image_fixed:
    true`. Machines are podman containers; a machine
    whose specification has not changed is kept, what a killed run left over is replaced.
    """


def _add(name: str, act: Callable[[Lab], None], summary: str) -> None:
    """Add a command that acts on the lab of an inventory."""

    @main.command(name, help=summary)
    @click.option("-i", "--inventory", type=Path, default="inventories/lab", show_default=True)
    def command(inventory: Path) -> None:
        act(read_lab(inventory))


_add("up", commands.up, "Make (or keep) the machines that the inventory lists.")
_add("down", commands.down, "Remove them, their network and nothing else.")
_add("status", commands.status, "Say what runs.")


@main.command()
def clean() -> None:
    """Remove every lab of this kit, and its images."""
    commands.clean()


if __name__ == "__main__":
    try:
        main(prog_name="python -m espalier.lab")
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        sys.exit(1)
