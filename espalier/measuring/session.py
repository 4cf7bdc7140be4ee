"""Make a recording from beginning to end: of visitors, or of a load that is sent meanwhile."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from espalier.insight.recording import Machine, Recording, SiteFacts, Step
from espalier.inventory.remote import reach
from espalier.inventory.site import Site
from espalier.load.site import Site as Target
from espalier.measuring import engine
from espalier.measuring.facts import ask, site_facts
from espalier.measuring.record import SHORTEST, Recorder, recording

SLACK = 120  # seconds that a load may take beside its bound: waiting for the last answers


@dataclass(frozen=True)
class Progress:
    """What is told while a recording is made.

    Attributes:
        began: it has begun on all machines.
        rate: a step of this rate begins, in requests per second.
        step: a step is over.
        gathering: machines tell what they still have to.
    """

    began: Callable[[], None]
    gathering: Callable[[], None]
    rate: Callable[[float], None] = lambda rate: None
    step: Callable[[Step], None] = lambda step: None


def measure(site: Site, seconds: float, progress: Progress) -> tuple[Recording, bool]:
    """Record what visitors do; gives the recording, and whether a person ended it early.

    Raises:
        SiteError: a machine cannot be recorded.
        KeyboardInterrupt: a person ended it before there was enough.
    """
    with reach(site) as remote:
        settings, django = ask(remote, site)
        with Recorder(remote, site, seconds, insight=engine.has_insight(site)) as recorder:
            progress.began()
            with stop_by_interrupt() as stop:
                recorder.wait(stop)
            ended = min(time.time(), recorder.began + seconds)
            if stop.is_set() and ended - recorder.began < SHORTEST:
                raise KeyboardInterrupt
            progress.gathering()
            machines = recorder.finish()
    facts = _facts(site, settings, django, machines)
    return recording(recorder, machines, facts, "measure", ended), stop.is_set()


def load(
    site: Site, target: Target, profile: engine.Profile, plan: engine.Plan, progress: Progress
) -> tuple[Recording, bool]:
    """Send a load while the site is recorded; gives what `measure` does.

    Raises:
        SiteError: a machine cannot be recorded, or the site cannot be visited.
        KeyboardInterrupt: a person ended it before there was enough.
    """
    with reach(site) as remote:
        settings, django = ask(remote, site)
        seconds = plan.most_seconds + SLACK
        with Recorder(remote, site, seconds, insight=engine.has_insight(site)) as recorder:
            progress.began()
            with stop_by_interrupt() as stop:
                sent = engine.run_load(
                    *(target, profile, plan),
                    stop=stop,
                    on_step=progress.step,
                    on_begin=progress.rate,
                )
            ended = time.time()
            if stop.is_set() and ended - recorder.began < SHORTEST:
                raise KeyboardInterrupt
            progress.gathering()
            machines = recorder.finish()
    facts = _facts(site, settings, django, machines)
    return recording(recorder, machines, facts, "load", ended, sent), stop.is_set()


def _facts(
    site: Site,
    settings: Mapping[str, Mapping[str, int]],
    django: Mapping[str, Any],
    machines: Mapping[str, Machine],
) -> SiteFacts:
    """The facts of the site; what runs has the last word on what is written."""
    running = {name: machine.settings for name, machine in machines.items()}
    read = {
        name: {**values, **_numbers(running.get(name, {}))} for name, values in settings.items()
    }
    return site_facts(site, read, django, *engine.prices(site))


def _numbers(values: Mapping[str, Any]) -> dict[str, int]:
    found = {}
    for name in ("max_connections", "default_pool_size"):
        try:
            found[name] = int(values[name])
        except (KeyError, TypeError, ValueError):
            continue
    return found


@contextmanager
def stop_by_interrupt() -> Iterator[threading.Event]:
    """An event that Ctrl-C or SIGTERM sets; the same signal once more ends the command."""
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def first(number: int, *_: object) -> None:
        stop.set()
        signal.signal(number, before[signal.Signals(number)])

    for number in before:
        signal.signal(number, first)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
