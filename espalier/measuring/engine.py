"""What measuring calls of the rooms below it: the load, and the way from a recording to an advice.

Loaded when it is used: a command that does not need it does not wait for it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from espalier.insight.advice import Advice
from espalier.insight.evidence import Evidence
from espalier.insight.recording import Load, Recording, Step
from espalier.inventory.prices import site_prices
from espalier.inventory.site import Site, SiteError
from espalier.load import site as target

if TYPE_CHECKING:
    from espalier.load.profile import Profile as Profile
    from espalier.load.rates import Plan as Plan


def observe(recording: Recording) -> Evidence:
    """What a recording shows."""
    from espalier.insight.observe import observe

    return observe(recording)


def advise(evidence: Evidence) -> Advice:
    """What is to be changed."""
    from espalier.insight.advise import advise

    return advise(evidence)


def advice_text(advice: Advice, evidence: Evidence, record: str) -> str:
    """An advice for a person; `record` says how good predictions have been."""
    from espalier.insight.text import advice_text

    return advice_text(advice, evidence, record)


def prices(site: Site) -> tuple[Mapping[str, float], str]:
    """What machines cost a month, and in which currency; of a site read with its settings."""
    return site_prices(site)


def has_insight(site: Site) -> bool:
    """Whether PostgreSQL can be asked for indexes: `insight: true` in hosts.yml.

    Of a site read with its settings, in which a template may have left text.
    """
    said = (one.get("insight") for one in site.settings.values())
    return any(str(one).lower() in ("true", "yes", "on", "1") for one in said)


def visited_site(hostvars: Mapping[str, Any], machine: str) -> target.Site:
    """Where a load goes: a web machine of the inventory.

    Raises:
        SiteError: the inventory has no such machine.
    """
    try:
        return target.site_of(hostvars, machine)
    except target.LoadError as error:
        raise SiteError(str(error), 2) from None


def profile_file(path: Path) -> Profile:
    """The profile that somebody wrote."""
    from espalier.load.profile import read_profile

    return read_profile(path)


def profile_of(recording: Recording) -> Profile:
    """The profile of what visitors did in a recording."""
    from espalier.load.profile import profile_from

    return profile_from(recording)


def profile_kept(values: Mapping[str, Any]) -> Profile:
    """The profile of an older load, from its plain data."""
    from espalier.load.profile import Profile

    return Profile.model_validate(values)


def profile_of_links(site: target.Site) -> Profile:
    """A profile of the pages that the front page leads to.

    Raises:
        SiteError: the site does not answer.
    """
    from espalier.load.crawl import profile_of_links

    try:
        return profile_of_links(site)
    except target.LoadError as error:
        raise SiteError(str(error)) from None


def plan(**values: Any) -> Plan:
    """How a load proceeds; see `espalier.load.rates.Plan`."""
    from espalier.load.rates import Plan

    return Plan(**values)


def is_copy(environment: str, hostvars: Mapping[str, Any]) -> bool:
    """Whether nobody depends on an environment."""
    from espalier.load import safety

    return safety.is_copy(environment, safety.facts_of(hostvars))


def permit(
    environment: str,
    hostvars: Mapping[str, Any],
    profile: Profile | None,
    rate: float,
    bound: float | None,
) -> None:
    """Refuse a load that could harm, with SiteError."""
    from espalier.load import safety

    safety.permit(environment, safety.facts_of(hostvars), profile, rate, bound)


def run_load(
    site: target.Site,
    profile: Profile,
    plan: Plan,
    *,
    stop: threading.Event,
    on_step: Callable[[Step], None],
    on_begin: Callable[[float], None],
) -> Load:
    """Send a load; blocks until it has ended.

    Raises:
        SiteError: the site cannot be visited.
    """
    from espalier.load.stepping import run_load

    try:
        return run_load(site, profile, plan, stop=stop, on_step=on_step, on_begin=on_begin)
    except target.LoadError as error:
        raise SiteError(str(error)) from None


def lowest_bound(recording: Recording) -> float | None:
    """Requests per second that the tightest part of a site can do, as far as a recording tells."""
    evidence = observe(recording)
    return evidence.parts[0].bound.value if evidence.enough and evidence.parts else None
