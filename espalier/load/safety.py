"""What may be loaded: a lab or a copy with anything, production with reads far below its bound."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from espalier.inventory.addresses import is_ip_address
from espalier.inventory.environments import LAB
from espalier.inventory.site import SiteError
from espalier.load.profile import Profile

LAB_NETWORK = ipaddress.ip_network("198.18.0.0/15")  # for tests (RFC 2544); no lab is elsewhere
SHARE = 0.7  # of the lowest bound that is known of production
COPIES = {"staging", "stage", "test", "testing", "lab", "copy", "trial", "preview", "dev", "qa"}
REAL = {"production", "prod", "live", "main", "www"}


@dataclass(frozen=True)
class Facts:
    """What the inventory of an environment says of it.

    Attributes:
        lab: its machines are made by `espalier up` (`lab:` in hosts.yml).
        quiet: `quiet: true` in project.yml, as `espalier clone` writes it: it mails nobody.
    """

    lab: bool = False
    quiet: bool = False


def facts_of(hostvars: Mapping[str, Mapping[str, Any]]) -> Facts:
    """Read them from the machines' variables, as ``ansible-inventory --list`` gives them."""
    machines = list(hostvars.values())
    return Facts(
        lab=bool(machines) and all(map(_is_lab_machine, machines)),
        quiet=bool(machines)
        and all((machine.get("project") or {}).get("quiet") is True for machine in machines),
    )


def _is_lab_machine(machine: Mapping[str, Any]) -> bool:
    """Whether a machine is the lab's: a copied `lab:` does not make production one."""
    address = str(machine.get("ansible_host", ""))
    return (
        bool(machine.get("lab"))
        and is_ip_address(address)
        and ipaddress.ip_address(address) in LAB_NETWORK
    )


def is_copy(environment: str, facts: Facts) -> bool:
    """Whether nobody depends on an environment: the lab, a copy, or one whose name says so."""
    if environment == LAB or facts.lab or facts.quiet:
        return True
    words = set(re.split(r"[^a-z]+", environment.lower()))
    return bool(words & COPIES) and not words & REAL


def permit(
    environment: str,
    facts: Facts,
    profile: Profile | None,
    rate: float,
    lowest_bound: float | None,
) -> None:
    """Refuse a load that could harm; give nothing where it may be sent.

    Args:
        environment: its name (`-e`), such as production.
        facts: what its inventory says of it.
        profile: what is asked for; None where none was named.
        rate: the highest rate of the load, in requests per second; infinite where it is to go up
            until the site no longer keeps up.
        lowest_bound: requests per second that the tightest part can do, from the last measurement
            of this environment; None where there is none.

    Raises:
        SiteError: with what to do instead.
    """
    if is_copy(environment, facts):
        return
    careful = (
        f"{environment} is taken to be production (its name does not say staging or test, and "
        "project.yml does not say `quiet: true`): "
    )
    if profile is None or profile.source != "file":
        raise SiteError(
            f"{careful}it gets only requests from a list of your own. Write one and name it: "
            "`--profile FILE`. Or load a copy: `espalier load -e staging`.",
            2,
        )
    if profile.writes:
        first = profile.writes[0]
        raise SiteError(
            f"{careful}it gets only GETs, and the profile {profile.name} has a {first.method} of "
            f"{first.path}. Take it out, or load a copy: `espalier load -e staging`.",
            2,
        )
    if lowest_bound is None:
        raise SiteError(
            f"{careful}how much it can bear is not known yet. Measure it with its own visitors "
            f"first: `espalier measure -e {environment}`, then `espalier advise`.",
            2,
        )
    most = SHARE * lowest_bound
    if rate > most:
        asked = f"{rate:g} requests/s are" if rate < float("inf") else "steps without an end are"
        raise SiteError(
            f"{careful}it gets at most {most:.3g} requests/s, {SHARE:.0%} of what its tightest "
            f"part can do ({lowest_bound:.3g}), and {asked} more. Say less: `--rate {most:.3g}`.",
            2,
        )
