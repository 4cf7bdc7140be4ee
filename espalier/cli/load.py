"""espalier load: visitors at a rate of our own, while the site is recorded."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from espalier.cli.command import Environment, environment_command
from espalier.cli.duration import Duration
from espalier.cli.measured import INTERRUPTED, progress, told_errors
from espalier.cli.options import json_option
from espalier.insight.recording import Recording
from espalier.inventory.environments import select
from espalier.inventory.listing import ListingError, read_machines
from espalier.inventory.site import SiteError
from espalier.load.site import Site as Target
from espalier.measuring import engine, session
from espalier.measuring.store import Store
from espalier.measuring.words import load_lines

# Of a step of so many seconds, the beginning does not count: caches fill, connections open.
WARM_UP = 15.0


@environment_command()
@click.option(
    "--profile",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="What to ask for, and how often: YAML with `requests: [{path: /, weight: 3}]`.",
)
@click.option(
    "--like",
    metavar="NAME",
    help="Ask for what the visitors of this environment did, as its newest `measure` has it.",
)
@click.option(
    "--steps",
    is_flag=False,
    flag_value="",
    metavar="[FROM-TO]",
    help="Higher rates, step by step, until the site does not keep up: the default. With FROM-TO, "
    "such as 5-80, from this rate to that one (requests per second).",
)
@click.option("--rate", type=float, metavar="N", help="One rate only, in requests per second.")
@click.option(
    "--for",
    "seconds",
    type=Duration(least=10, most=3600),
    default="60s",
    show_default=True,
    metavar="TIME",
    help="How long, with --rate.",
)
@click.option(
    "--seconds-per-step",
    type=Duration(least=10, most=600),
    default="60s",
    show_default=True,
    metavar="TIME",
    help="How long each step is.",
)
@click.option("--machine", default="", metavar="NAME", help="The web machine to visit: the first.")
@json_option
def command(
    environment: Environment,
    profile: Path | None,
    like: str | None,
    steps: str | None,
    rate: float | None,
    seconds: float,
    seconds_per_step: float,
    machine: str,
    as_json: bool,
) -> int:
    """Send visitors to a lab or a staging site, and find how many it carries.

    Requests come at a rate, whether or not the site keeps up, as real visitors do. The rate rises
    step by step until answers are late or fail; the last step that passed is what the site
    carries. Everything is recorded meanwhile, for `espalier advise`.

    Only the site of this inventory is visited. Production gets nothing but GETs from a list of
    your own (--profile), below 70% of what its tightest part can do.
    """
    if profile and like:
        raise SiteError("Both --profile and --like say what to ask for: give one of them.", 2)
    if rate is not None and steps is not None:
        raise SiteError("Both --rate and --steps say how much to send: give one of them.", 2)
    plan = planned(steps, rate, seconds, seconds_per_step)
    target, hostvars = visited(environment, machine)
    if profile:
        wanted = engine.profile_file(profile)
    elif like:
        wanted = engine.profile_of(Store(select(like, Path.cwd())).newest_of_visitors())
    else:
        # Production is refused before its pages are looked at.
        engine.permit(environment.name, hostvars, None, float("inf"), None)
        wanted = engine.profile_of_links(target)
    return sent(environment, target, hostvars, wanted, plan, as_json)


def planned(
    steps: str | None, rate: float | None, seconds: float, seconds_per_step: float
) -> dict[str, Any]:
    """What the options say of the load's rates, as `espalier.load.rates.Plan` takes them."""
    length = seconds if rate is not None else seconds_per_step
    plan: dict[str, Any] = {"seconds": length, "warm_up": min(WARM_UP, length / 4)}
    if rate is not None:
        return plan | {"only_rate": rate, "most_seconds": length + 60}
    if not steps:
        return plan | {"search": True}
    found = re.fullmatch(r"(\d+(?:\.\d+)?)-(\d+(?:\.\d+)?)", steps)
    if not found:
        raise SiteError(
            f'"{steps}" does not say from which rate to which: write --steps 5-80, in requests per '
            "second, or --steps alone.",
            2,
        )
    return plan | {"start": float(found[1]), "last": float(found[2])}


def visited(environment: Environment, machine: str = "") -> tuple[Target, dict[str, Any]]:
    """Where a load goes, and the variables of the inventory's machines."""
    with environment.silent() as (silent, _):
        try:
            hostvars = read_machines(environment.inventory, silent.vault_arguments())
        except ListingError as error:
            raise SiteError("Ansible refuses the inventory.", 2, str(error)) from None
    return engine.visited_site(hostvars, machine), hostvars


def sent(
    environment: Environment,
    target: Target,
    hostvars: dict[str, Any],
    profile: engine.Profile,
    plan: dict[str, Any],
    as_json: bool,
) -> int:
    """Send a load and tell how it went; gives the exit status."""
    recording, was_stopped = recorded(environment, target, hostvars, profile, plan, as_json)
    assert recording.load
    path = Store(environment.inventory).path(recording.id)
    if as_json:
        errors = told_errors(recording)
        told = {"ok": True, "recording": recording.id, "file": str(path), "errors": errors}
        click.echo(json.dumps(told | recording.load.model_dump()))
    else:
        lines = [*load_lines(recording.load), *told_errors(recording), f"Recorded in {path}."]
        click.echo("\n".join([*lines, f"What limits the site: `{environment.again('advise')}`"]))
    if was_stopped:
        return INTERRUPTED
    return 0 if recording.load.valid or recording.load.knee else 1


def recorded(
    environment: Environment,
    target: Target,
    hostvars: dict[str, Any],
    profile: engine.Profile,
    values: dict[str, Any],
    silent: bool,
) -> tuple[Recording, bool]:
    """Send a load where that is permitted, and keep the recording; gives what `session.load` does.

    Raises:
        SiteError: it is refused, or could not be made.
    """
    store = Store(environment.inventory)
    plan = engine.plan(**values, careful=not engine.is_copy(environment.name, hostvars))
    highest = plan.only_rate or plan.last or float("inf")
    bound = None
    if plan.careful and store.names():
        bound = engine.lowest_bound(store.newest())
    engine.permit(environment.name, hostvars, profile, highest, bound)
    site = environment.read(settings=True)
    with progress(site, 0, silent) as shown:
        recording, was_stopped = session.load(site, target, profile, plan, shown)
    store.write(recording)
    store.write_load(recording.id, {"profile": profile.model_dump(), "plan": asdict(plan)})
    return recording, was_stopped
