"""A load by rate: step by step until the site no longer keeps up, within bounds."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Protocol

from espalier.insight.recording import Load, Step
from espalier.insight.window import is_late
from espalier.insight.words import duration
from espalier.load.judging import disturbs, step_of, suffering
from espalier.load.processes import RATE, Senders
from espalier.load.profile import Profile
from espalier.load.rates import Plan, Rates
from espalier.load.sender import Outcome
from espalier.load.site import Site

DRAIN = 15.0  # seconds to wait for the last answers of a step
STOPPED = "The load was stopped."


class Sending(Protocol):
    """What sends a rate: `processes.Senders`, or what a test puts in its place."""

    def grow(self, number: int) -> None:
        """Have at least so many processes."""

    def send(
        self,
        rate: float,
        seconds: float,
        drain: float,
        watch: Callable[[list[Outcome], int, float], str],
    ) -> tuple[list[Outcome], float, str]:
        """Send a rate; gives outcomes, the beginning on the Unix clock, and why it was cut."""

    def probe(self) -> float:
        """Ask once; gives seconds."""


def _nothing(rate: float) -> None:
    """What is done where nobody wants to know that a step begins."""


def run_load(
    site: Site,
    profile: Profile,
    plan: Plan,
    *,
    stop: threading.Event,
    on_step: Callable[[Step], None],
    on_begin: Callable[[float], None] = _nothing,
) -> Load:
    """Send a load, and find the highest rate that the site keeps up with.

    Call `safety.permit` before. It blocks until the load has ended.

    Args:
        site: of the inventory.
        profile: what is asked for.
        plan: the rates and the bounds.
        stop: set it to end the load; what there is until then is returned.
        on_step: called with each step when it is over.
        on_begin: called with each rate, in requests per second, when its step begins.

    Raises:
        LoadError: the site cannot be visited with this profile at all.
    """
    with Senders(site, profile, plan.seed) as senders:
        return drive(senders, profile.name, plan, stop=stop, on_step=on_step, on_begin=on_begin)


def drive(
    senders: Sending,
    name: str,
    plan: Plan,
    *,
    stop: threading.Event,
    on_step: Callable[[Step], None],
    on_begin: Callable[[float], None] = _nothing,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], object] = time.sleep,
) -> Load:
    """Do what `run_load` does, with senders that are there; `clock` and `sleep` are for tests."""
    rates = Rates(plan)
    began, sent, invalid, retried = clock(), 0, "", False
    rate = rates.following()
    while rate is not None:
        if ended := _bound(plan, rate, sent, clock() - began):
            rates.ended = ended
            break
        on_begin(rate)

        def watch(outcomes: list[Outcome], recent: int, now: float) -> str:
            if stop.is_set():
                return STOPPED
            if now >= plan.seconds:
                return ""  # only the last answers are waited for
            if plan.careful and (why := disturbs(outcomes, now)):
                return why
            return suffering(outcomes, recent, now)

        outcomes, unix, cut = senders.send(rate, plan.seconds, DRAIN, watch)
        sent += len(outcomes)
        window = _window(plan, outcomes, cut)
        if cut == STOPPED:
            rates.ended = STOPPED
            # What there is of the last step counts where it has warmed up, and asked enough.
            if window[0] < plan.warm_up or window[1] - window[0] < plan.seconds / 4:
                break
            cut = ""
        step = step_of(outcomes, rate, unix, window, rates.lowest, cut)
        if is_late(step) and not cut:
            if not retried and not stop.is_set():
                retried = True
                senders.grow(-int(-rate // (RATE / 4)))
                _await_quiet(senders, rates.lowest, clock, sleep, stop)
                continue
            step = step.model_copy(
                update={"passed": False, "why": "the requests were sent too late", "late": True}
            )
            invalid = (
                f"At {rate:g} requests/s the load itself was {duration(step.lag)} late: the "
                "machine that sends it is too slow or too busy."
            )
        rates.add(step)
        on_step(step)
        if invalid or rates.ended:
            rates.ended = rates.ended or invalid
            break
        if plan.careful and not step.passed:
            rates.ended = f"The load ended so that visitors notice nothing: {step.why}."
            break
        rate = rates.following()
        if rate is not None:
            _await_quiet(senders, rates.lowest, clock, sleep, stop)
            if stop.is_set():
                rates.ended = STOPPED
                break
    best = rates.best
    return Load(
        profile=name,
        steps=rates.steps,
        knee=best.achieved if best else None,
        ended=rates.ended,
        valid=not invalid,
        invalid=invalid,
    )


def _window(plan: Plan, outcomes: list[Outcome], cut: str) -> tuple[float, float]:
    """From when to when a step counts, in seconds since it began."""
    end = plan.seconds
    if cut:
        end = max((one.due for one in outcomes), default=0.0) + 1e-6
    return (plan.warm_up if end > plan.warm_up else 0.0, end)


def _bound(plan: Plan, rate: float, sent: int, elapsed: float) -> str:
    """Say which bound the next step would break, or ""."""
    if sent + rate * plan.seconds > plan.most_requests:
        return f"The bound of {plan.most_requests} requests was reached."
    if elapsed + plan.seconds > plan.most_seconds:
        return f"The bound of {plan.most_seconds:g} seconds was reached."
    return ""


def _await_quiet(
    senders: Sending,
    lowest: Step | None,
    clock: Callable[[], float],
    sleep: Callable[[float], object],
    stop: threading.Event,
) -> None:
    """Wait, for at most 15 s, until the site answers as quickly as without a load."""
    until = clock() + DRAIN
    quick = max(2 * lowest.p50, 0.05) if lowest else 1.0
    while clock() < until and not stop.is_set() and senders.probe() > quick:
        sleep(0.5)
