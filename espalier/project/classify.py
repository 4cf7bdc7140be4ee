"""What `make up PROJECT=…` means: `python -m espalier.project.classify VALUE [--name NAME]`."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import click

from espalier.project.errors import ProjectError
from espalier.project.schema import check


def classify(value: str, name: str = "") -> dict[str, dict[str, str]]:
    """What `make up PROJECT=value` means.

    Args:
        value: a directory, a git URL, or a package on the Python index (`name` or `name==1.2`).
        name: the project's name, when the user gave one.

    Returns:
        Variables for Ansible, {"project": {...}}.

    Raises:
        ProjectError: when the value is none of the three.
    """
    project = _classified(value.strip())
    if name:
        project["name"] = name
    check(project, "PROJECT")
    return {"project": project}


def _classified(value: str) -> dict[str, str]:
    path = Path(value).expanduser()
    if value and path.is_dir():
        bare = (path / "HEAD").is_file() and (path / "objects").is_dir()
        return {"git" if bare else "directory": str(path.resolve())}
    if "://" in value or value.startswith("git@") or value.endswith(".git"):
        return {"git": value}
    package = re.fullmatch(r"([A-Za-z0-9][\w.-]*(?:\[[\w.,-]+\])?)(?:==(\d\S*))?", value)
    if package and not value.endswith("."):
        pinned = {"version": package[2]} if package[2] else {}
        return {"package": package[1], **pinned}
    raise ProjectError(
        f'PROJECT="{value}" is neither a directory that exists, a git URL (https://… or '
        "git@host:…) nor a package on the Python index (name or name==1.2)."
    )


@click.command()
@click.argument("value")
@click.option("--name", default="", help="The project's name; made from VALUE by default.")
def main(value: str, name: str) -> None:
    """Print variables for Ansible, as JSON, for a directory, a git URL or a package."""
    try:
        click.echo(json.dumps(classify(value, name)))
    except ProjectError as error:
        click.echo(error, err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
