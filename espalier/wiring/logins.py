"""What lets a machine get requirements from an index or a repository that asks who it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from espalier.project.rules.remotes import name_and_password
from espalier.project.schema import check


def netrc(project: Mapping[str, Any]) -> str:
    """Return the text of a netrc file, a line each host; "" where project.yml has no login.

    Args:
        project: what project.yml says.
    """
    lines = []
    for host, login in sorted(check(project).logins.items()):
        name, password = name_and_password(login)
        lines.append(f"machine {host} login {name} password {password}\n")
    return "".join(lines)


def deploy_key(project: Mapping[str, Any]) -> str:
    """Return the private key for repositories, or ""."""
    return check(project).deploy_key
