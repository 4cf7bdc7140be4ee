"""The files of a new environment: the example inventory, filled in."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from espalier import paths
from espalier.inventory import known_hosts
from espalier.scaffold.answers import MACHINE, Answers
from espalier.scaffold.fill import Keys, fill, in_line, replace_line
from espalier_machine.common.variables import lines

HOSTS = "hosts.yml"
TOPOLOGY = "topology.yml"
PROJECT = "group_vars/all/project.yml"
# In the order in which they are written: what makes the directory an inventory comes last.
NAMES = (HOSTS, PROJECT, known_hosts.FILE, TOPOLOGY)
# Comments of the example that the answers go into.
OTHER_GIT = "  # git: https://git.example.com/you/shop.git"
OTHER_VERSION = "  # version: main"
# Where the example's `environment` begins, and the entry that stands below it.
ENVIRONMENT = "  # environment:                              # variables that your settings read"
FIRST_ENTRY = "  #   EMAIL_HOST: smtp.example.com"
IGNORED = """\
# Passwords of the environments below, which `espalier` makes and keeps: for no repository.
.secrets/
# What ssh-keygen leaves behind.
known_hosts.old
"""


def contents(
    answers: Answers, host_keys: Sequence[str], example: Path = paths.INVENTORIES / "example"
) -> dict[str, str]:
    """The files of an environment, by their path in its directory.

    Args:
        answers: what they say.
        host_keys: the lines of known_hosts; none, and the file is left out.
        example: the directory of the example inventory.
    """
    hosts = (example / HOSTS).read_text()
    machine = ("all", "hosts", MACHINE)
    found = {
        HOSTS: fill(hosts, {machine: answers.variables}),
        PROJECT: _project((example / PROJECT).read_text(), answers),
        known_hosts.FILE: "".join(f"{line}\n" for line in host_keys),
        TOPOLOGY: (example / TOPOLOGY).read_text(),
    }
    return {name: found[name] for name in NAMES if found[name]}


def _project(text: str, answers: Answers) -> str:
    """What project.yml says."""
    source, where = answers.source, ("project", "directory")
    values: dict[Keys, Any] = {
        where: source.value,
        ("project", "domains"): list(answers.domains),
        ("project", "name"): answers.name,
    }
    text = fill(text, values, {where: source.key})
    if answers.required:
        # Those of the example stay below them.
        wanted = [f"  {line}" for line in lines(answers.required, "# ")[1:]]
        text = replace_line(text, FIRST_ENTRY, "\n".join([*wanted, FIRST_ENTRY]))
        first = "  # Your settings do not load without the first of these: write a value for each."
        text = replace_line(text, ENVIRONMENT, f"{first}\n{ENVIRONMENT}")
    if source.version:
        text = replace_line(text, OTHER_VERSION, f"  version: {in_line(source.version)}")
    if source.key == "git":
        return replace_line(text, OTHER_GIT, "  # directory: .")
    if answers.origin:
        return replace_line(text, OTHER_GIT, f"  # git: {in_line(answers.origin)}")
    return text
