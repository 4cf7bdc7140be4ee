"""The steps: a known limit each, what is to be advised, and the gain of what was advised."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lab import (
    LAB,
    NAME,
    advise,
    load,
    on,
    prove,
    start,
    type_edits,
)

from bench.trials.limits import postgresql_unit, processor_quota, web_units
from tests.steps import demand

STEPS = ("--steps", "--seconds-per-step", "20s")
COMPUTE = [{"path": "/compute/?ms=20&of={1..100000}"}]
SLEEP = [{"path": "/sleep/?ms=100&of={1..100000}"}]
# Several statements: no index and no single one of them is the limit.
ROWS = [{"path": "/rows/?shape={0..5}&of={1..100000}"}]
CALM = [{"path": "/", "weight": 3}, {"path": "/trees/{1..12}/", "weight": 2}]


def nothing() -> None:
    """A site with little to do is left alone."""
    start()
    load(CALM, "--rate", "10", "--for", "60s")
    advice = advise()
    demand(advice["verdict"] in ("change nothing", "you could go smaller"), told(advice))
    demand(
        advice["verdict"] == "you could go smaller" or advice["change"] is None,
        f"nothing is wrong, and a change is advised: {told(advice)}",
    )


def one_thread() -> None:
    """One thread that waits: more threads carry more."""
    start({"vps1": {"django_workers": 1, "django_threads": 1}})
    loop(SLEEP, ["threads", "worker processes"], ["threads", "workers"])


def application() -> None:
    """A Django that takes all it may have of its machine's cores: a second machine carries more."""
    start()
    with processor_quota(on, "vps1", web_units(NAME), 0.5):
        loop(COMPUTE, ["application processor"], ["app_servers", "a machine of its own"])


def reads() -> None:
    """A database whose cores are taken by reads: a replica carries more."""
    start()
    unit = postgresql_unit(on, "vps1")
    with processor_quota(on, "vps1", [unit], 0.3):
        loop(ROWS, ["database processor"], ["replicas"])


def loop(
    requests: Sequence[Mapping[str, Any]], places: Sequence[str], remedies: Sequence[str]
) -> None:
    """From the load to the proof; Wrong where the advice or the gain is not as it should be."""
    sent = load(requests, *STEPS)
    demand(any(not step["passed"] for step in sent["steps"]), "the load did not find the limit")
    advice = advise()
    demand(advice["verdict"] == "bottleneck", told(advice))
    demand(advice["place"] in places, told(advice))
    change = advice["change"]
    demand(change and change["remedy"] in remedies, told(advice))
    type_edits(change)
    LAB.site()
    proof = prove()
    gain, predicted = proof["gain"], change["gain"]
    said = f"{proof['outcome']}: {proof['sentence']} {gain}, predicted {predicted}"
    LAB.say(said)
    demand(proof["outcome"] == "confirmed", said)
    demand(gain["low"] > 1, said)
    if predicted:
        demand(gain["high"] >= predicted["low"], said)


def told(advice: Mapping[str, Any]) -> str:
    """An advice in a line."""
    change = advice["change"] or {}
    evidence = "; ".join(advice["evidence"])
    return (
        f"{advice['verdict']}, {advice['place']}, {advice['where']}, "
        f"{change.get('remedy', 'no change')}: {advice['sentence']} {evidence}"
    )
