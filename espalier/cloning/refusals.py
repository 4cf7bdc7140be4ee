"""What is refused before anything is dumped; each ends with the exit status 2."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from espalier.inventory.site import Site, SiteError
from espalier.inventory.ssh_config import option
from espalier.progress.report import REFUSED
from espalier.project.schema import Project


@dataclass(frozen=True)
class Side:
    """An environment that data comes from, or goes to.

    Attributes:
        name: of the environment.
        site: what its inventory says.
        project: its project.yml, checked.
        run: the command that brings its machines to that, as it is to be typed.
    """

    name: str
    site: Site
    project: Project
    run: str

    @property
    def primary(self) -> tuple[str, ...]:
        """Where SSH finds its primary database: host, port, and what is on the way there."""
        machine = self.site.machines("postgresql_primary")[0]
        variables = self.site.variables[machine]
        place = (variables.get("ansible_host", machine), variables.get("ansible_port", 22))
        way = (option(variables, name, machine) for name in ("ProxyJump", "ProxyCommand"))
        return tuple(map(str, (*place, *way)))


def check_pair(source: Side, destination: Side) -> None:
    """Refuse two environments between which no data goes.

    Raises:
        SiteError: they are one, or of two projects, or the source has no backups.
    """
    if source.site.inventory == destination.site.inventory:
        raise SiteError(
            f"{source.name} is where the data comes from: name another environment with --to. "
            "Nothing was changed.",
            REFUSED,
        )
    if source.primary == destination.primary:
        raise SiteError(
            f"{source.name} and {destination.name} have the same machine for their database, "
            f"{source.primary[0]}: it would be cloned onto itself. Nothing was changed.",
            REFUSED,
        )
    if source.site.name != destination.site.name:
        raise SiteError(
            f"{source.name} is the site {source.site.name}, and {destination.name} is "
            f"{destination.site.name}: data is cloned between environments of one project. Nothing "
            "was changed.",
            REFUSED,
        )
    if not source.site.machines("pgbackrest"):
        raise SiteError(
            f"hosts.yml of {source.name} has no `backup`: there is nothing to clone from. Nothing "
            "was changed.",
            REFUSED,
        )


def check_anonymise(source: Side) -> None:
    """Refuse to anonymise where nobody has said what.

    Raises:
        SiteError: with what to write.
    """
    if not source.project.anonymise:
        raise SiteError(
            f"project.yml of {source.name} does not say which columns are about people: write for "
            "example `anonymise: {auth_user: [email, first_name, last_name, password]}` there. "
            "Nothing was changed.",
            REFUSED,
        )


def check_quiet(destination: Side, statuses: Mapping[str, Mapping[str, Any]], loud: bool) -> None:
    """Refuse a destination that has no release, or that could write to people in the data.

    Args:
        destination: the environment.
        statuses: by machine, what `release status` says there.
        loud: whether it may write to them.

    Raises:
        SiteError: with what to do.
    """
    if not loud and not destination.project.quiet:
        raise SiteError(
            f"project.yml of {destination.name} has no `quiet: true`: the site would send mail to "
            "the people in the data, and run its scheduled commands with it. Write that, and run "
            f"`{destination.run}`. If the site is to do so, add --loud. Nothing was changed.",
            REFUSED,
        )
    for machine, status in statuses.items():
        if not status["ok"]:
            raise SiteError(f"{machine}: {status['error']}")
        if not status["live"]:
            raise SiteError(
                f"No release is live on {machine} yet: run `{destination.run}` first. Nothing was "
                "changed.",
                REFUSED,
            )
        if not loud and (not status.get("quiet") or status["stale"]):
            raise SiteError(
                f"The live release of {destination.name} is not quiet yet on {machine}: run "
                f"`{destination.run}` first. Nothing was changed.",
                REFUSED,
            )
