"""espalier prove: the same measurement after a change, against the one before it."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import click

from espalier.cli.command import Environment, environment_command
from espalier.cli.load import recorded, visited
from espalier.cli.measured import INTERRUPTED, progress
from espalier.cli.options import json_option
from espalier.insight.advice import Change
from espalier.insight.ledger import ledger_entry, record_line, take_back
from espalier.insight.proof import Outcome, Proof, prove
from espalier.insight.recording import Load, Recording
from espalier.inventory.site import SiteError
from espalier.measuring import engine, session
from espalier.measuring.store import Store
from espalier.measuring.words import edit_lines, proof_lines

# Of the rate that the site carried before, the first step; of what is predicted, the last one.
BELOW, ABOVE = 0.8, 1.25


@environment_command()
@click.option(
    "--before",
    default="",
    metavar="RECORDING",
    help="The recording before the change: the one that the newest advice is of.",
)
@click.option("--machine", default="", metavar="NAME", help="The web machine to visit: the first.")
@json_option
def command(environment: Environment, before: str, machine: str, as_json: bool) -> int:
    """Measure again after a change, and say what it gained.

    The same load, or the same time with visitors, as before the change: confirmed, not confirmed,
    or worse, with the lines that take the change back. What was predicted and what was measured
    goes into a ledger, by which later predictions are judged.
    """
    store = Store(environment.inventory)
    name = before or store.newest_advised()
    if not name:
        raise SiteError(
            "Nothing was advised yet, so that there is nothing to prove: `espalier load` or "
            "`espalier measure`, then `espalier advise`, and the change that it names.",
            2,
        )
    old = store.read(name)
    advice = store.read_advice(old.id)
    change = advice.change if advice else None
    new, was_stopped = _again(environment, store, old, change, machine, as_json)
    proof = prove(old, new, change)
    if proof.outcome is not Outcome.NOTHING:
        store.append(ledger_entry(proof, old, new, change))
    record = record_line(store.ledger())
    back = take_back(change) if change and proof.outcome is Outcome.WORSE else []
    if as_json:
        told = {"ok": True, "before": old.id, "after": new.id, "record": record}
        told |= asdict(proof) | {"take_back": [asdict(edit) for edit in back]}
        click.echo(json.dumps(told))
    else:
        click.echo("\n".join([*proof_lines(proof, record), *_back_lines(environment, proof, back)]))
    return INTERRUPTED if was_stopped else 0


def _back_lines(environment: Environment, proof: Proof, back: list[Any]) -> list[str]:
    if not back:
        return []
    site = environment.again("site")
    return ["Take the change back:", *edit_lines(back), f"and then: `{site}`"]


def _again(
    environment: Environment,
    store: Store,
    old: Recording,
    change: Change | None,
    machine: str,
    silent: bool,
) -> tuple[Recording, bool]:
    """Measure as the older recording was made, and keep it; gives what `session.load` does."""
    if old.load:
        kept = store.read_load(old.id)
        target, hostvars = visited(environment, machine)
        profile = engine.profile_kept(kept["profile"])
        plan = plan_again(kept["plan"], old.load, change)
        return recorded(environment, target, hostvars, profile, plan, silent)
    site = environment.read(settings=True)
    with progress(site, old.seconds, silent) as shown:
        recording, was_stopped = session.measure(site, round(old.seconds), shown)
    store.write(recording)
    return recording, was_stopped


def plan_again(plan: dict[str, Any], load: Load, change: Change | None) -> dict[str, Any]:
    """The plan of a load that finds what a change gained.

    Steps are as long as before. They begin a little below what the site carried, and end above
    what is predicted; without a prediction, where the site no longer keeps up.
    """
    values = {name: value for name, value in plan.items() if name != "careful"}
    if load.knee is None or plan.get("only_rate"):
        return values
    after = change.after.value if change and change.after else None
    if after is None and change and change.gain:
        after = load.knee * change.gain.value
    start = load.knee * BELOW
    last = max(after * ABOVE, load.knee * ABOVE) if after else None
    return values | {"start": start, "last": last}
