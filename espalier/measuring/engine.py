"""What measuring calls of the rooms below it: the load, and the way from a recording to an advice.

Loaded when it is used: a command that does not need it does not wait for it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from espalier.insight.advice import Advice
from espalier.insight.evidence import Evidence
from espalier.insight.recording import Load, Recording, Step
from espalier.inventory.site import Site, SiteError
from espalier.load import site as target

Profile = Any
Plan = Any


def observe(recording: Recording) -> Evidence:
    """What a recording shows."""
    evidence: Evidence = import_module("espalier.insight.observe").observe(recording)
    return evidence


def advise(evidence: Evidence) -> Advice:
    """What is to be changed."""
    advice: Advice = import_module("espalier.insight.advise").advise(evidence)
    return advice


def advice_text(advice: Advice, evidence: Evidence, record: str) -> str:
    """An advice for a person; `record` says how good predictions have been."""
    text: str = import_module("espalier.insight.text").advice_text(advice, evidence, record)
    return text


def prices(site: Site) -> tuple[Mapping[str, float], str]:
    """What machines cost a month, and in which currency; of a site read with its settings."""
    try:
        found: tuple[Mapping[str, float], str] = import_module(
            "espalier.inventory.prices"
        ).site_prices(site)
    except ModuleNotFoundError:
        return {}, ""
    return found


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
    return import_module("espalier.load.profile").read_profile(path)


def profile_of(recording: Recording) -> Profile:
    """The profile of what visitors did in a recording."""
    return import_module("espalier.load.profile").profile_from(recording)


def profile_kept(values: Mapping[str, Any]) -> Profile:
    """The profile of an older load, from its plain data."""
    return import_module("espalier.load.profile").Profile.model_validate(values)


def profile_of_links(site: target.Site) -> Profile:
    """A profile of the pages that the front page leads to.

    Raises:
        SiteError: the site does not answer.
    """
    crawl = import_module("espalier.load.crawl")
    try:
        return crawl.profile_of_links(site)
    except target.LoadError as error:
        raise SiteError(str(error)) from None


def plan(**values: Any) -> Plan:
    """How a load proceeds; see `espalier.load.rates.Plan`."""
    return import_module("espalier.load.rates").Plan(**values)


def is_copy(environment: str, hostvars: Mapping[str, Any]) -> bool:
    """Whether nobody depends on an environment."""
    safety = import_module("espalier.load.safety")
    answer: bool = safety.is_copy(environment, safety.facts_of(hostvars))
    return answer


def permit(
    environment: str,
    hostvars: Mapping[str, Any],
    profile: Profile,
    rate: float,
    bound: float | None,
) -> None:
    """Refuse a load that could harm, with SiteError."""
    safety = import_module("espalier.load.safety")
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
    run = import_module("espalier.load.stepping").run_load
    try:
        load: Load = run(site, profile, plan, stop=stop, on_step=on_step, on_begin=on_begin)
    except target.LoadError as error:
        raise SiteError(str(error)) from None
    return load


def lowest_bound(recording: Recording) -> float | None:
    """Requests per second that the tightest part of a site can do, as far as a recording tells."""
    evidence = observe(recording)
    return evidence.parts[0].bound.value if evidence.enough and evidence.parts else None
