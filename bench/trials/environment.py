"""Write the environment of a site as a user has it: hosts.yml, project.yml, host_vars."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

_VARS = """\
    ansible_user: root
    ansible_ssh_private_key_file: ~/.cache/espalier/lab/id_ed25519
    ansible_ssh_common_args: -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR
"""  # noqa: E501


def hosts_text(
    tiers: Sequence[str],
    machines: Mapping[str, Mapping[str, Any]],
    duties: Mapping[str, Sequence[str]],
    variables: Mapping[str, Any],
) -> str:
    """A hosts.yml in the form of the example's, whose lines are those that an advice names.

    Args:
        tiers: that are on.
        machines: name -> variables; one without a duty is spare.
        duties: duty -> machines, the first one first.
        variables: further ones of all machines.
    """
    lines = ["---", "all:", "  vars:", f"    tiers: [{', '.join(tiers)}]"]
    lines += [f"    {key}: {json.dumps(value)}" for key, value in variables.items()]
    lines += [_VARS.rstrip("\n"), "  hosts:"]
    for name, said in machines.items():
        text = ", ".join(f"{key}: {value}" for key, value in said.items())
        lines.append(f"    {name}: {{{text}}}")
    lines.append("  children:")
    for duty, names in duties.items():
        lines.append(f"    {duty}: {{hosts: {{{', '.join(f'{name}: ' for name in names)}}}}}")
    return "\n".join(lines) + "\n"


def write_environment(
    directory: Path,
    hosts: str,
    project: Mapping[str, Any],
    host_vars: Mapping[str, Mapping[str, Any]],
) -> None:
    """Write an environment; its secrets and its measurements stay, what it said is replaced."""
    for name in ("group_vars", "host_vars"):
        shutil.rmtree(directory / name, ignore_errors=True)
    (directory / "group_vars/all").mkdir(parents=True)
    (directory / "hosts.yml").write_text(hosts)
    (directory / "topology.yml").write_text("---\nplugin: topology\n")
    _write(directory / "group_vars/all/project.yml", {"project": dict(project)})
    for machine, said in host_vars.items():
        _write(directory / "host_vars" / f"{machine}.yml", said)


def _write(file: Path, said: Mapping[str, Any]) -> None:
    """Write YAML with a key a line, as a person does."""
    lines = ["---"]
    for key, value in said.items():
        if isinstance(value, Mapping):
            lines += [f"{key}:", *(f"  {name}: {json.dumps(one)}" for name, one in value.items())]
        else:
            lines.append(f"{key}: {json.dumps(value)}")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("\n".join(lines) + "\n")
