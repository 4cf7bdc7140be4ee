"""Which seconds of a recording count, and what each of them shows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from espalier.insight.figures import mean
from espalier.insight.readings import Sample
from espalier.insight.recording import Load, Recording, Request, Step

NEARLY = 0.95  # of what a site answered at most
WARM_UP = 15.0  # seconds of a load without steps that do not count
# Of production: fewer requests, or less time, show nothing that repeats. [to be calibrated]
LEAST_REQUESTS = 200
LEAST_SECONDS = 30
# Seconds of the sender's p99: a fifth of what is noticed. On two cores that are full with other
# work it is 10 ms with the senders' priority, and 15 to 25 ms without.
LATE = 0.02
LATE_SHARE = 0.1  # of the answers' median


class Row(NamedTuple):
    """A request in the window: the machine that took it, and how many it stands for."""

    machine: str
    weight: int
    request: Request

    @property
    def is_page(self) -> bool:
        """Whether it was for Django: Django answered it, or nginx' cache in its place."""
        return self.request.upstream is not None or bool(self.request.cache)


@dataclass(frozen=True)
class Window:
    """Seconds that count: `began`, and how many whole seconds from then on."""

    began: float
    seconds: int

    @property
    def ended(self) -> float:
        """The end of its last second."""
        return self.began + self.seconds

    def second(self, t: float) -> int | None:
        """The second that a moment is in, from 0; None outside of the window."""
        index = int(t - self.began) if t >= self.began else -1
        return index if 0 <= index < self.seconds else None

    def samples(self, samples: Iterable[Sample]) -> list[Sample]:
        """Those whose middle is in the window."""
        return [one for one in samples if self.second(one.t - one.dt / 2) is not None]

    def rows(self, recording: Recording) -> list[Row]:
        """The requests that were answered in the window, by time."""
        found = [
            Row(name, machine.every, request)
            for name, machine in recording.machines.items()
            for request in machine.requests
            if self.second(request.t) is not None
        ]
        return sorted(found, key=lambda row: row.request.t)

    def series(
        self, samples: Iterable[Sample], read: Callable[[Sample], float | None]
    ) -> list[float] | None:
        """Return a reading for each second; the mean of the others where a second has none.

        Returns:
            As many values as the window has seconds; None where no sample tells it.
        """
        told: dict[int, list[float]] = {}
        for sample in samples:
            index = self.second(sample.t - sample.dt / 2)
            value = read(sample)
            if index is not None and value is not None:
                told.setdefault(index, []).append(value)
        if not told:
            return None
        means = {index: mean(values) for index, values in told.items()}
        usual = mean(means.values())
        return [means.get(index, usual) for index in range(self.seconds)]


@dataclass(frozen=True)
class Choice:
    """What counts of a recording.

    Attributes:
        window: the highest step that passed, or all of production.
        step: the step of the window; None without one.
        failed: the step at which the site came to its end; None where it did not, or where that
            was not the site's doing.
        why_not: why nothing can be told, a sentence; "" where the window counts.
    """

    window: Window
    step: Step | None = None
    failed: Step | None = None
    why_not: str = ""


def choose(recording: Recording) -> Choice:
    """Choose the seconds that count.

    Production counts as a whole. Of a load, its highest step that passed counts; where none did,
    the first that failed. `failed` is the next higher step, which did not pass: a load that
    searches tries that one first.
    """
    whole = sampled(recording)
    load = recording.load
    if recording.purpose == "measure" or load is None:
        why_not = "" if recording.purpose == "measure" else "The recording of a load has no load."
        return Choice(whole, why_not=why_not)
    if not load.steps:
        warm = Window(whole.began + WARM_UP, max(0, whole.seconds - int(WARM_UP)))
        why_not = "" if warm.seconds else f"The load took less than {WARM_UP:g} s."
        return Choice(warm if warm.seconds else whole, why_not=why_not or _invalid(load))
    passed = [step for step in load.steps if step.passed and counts(step)]
    last = max(passed, key=lambda one: one.offered, default=None)
    failed = _failed(load.steps, last)
    step = last or failed
    if step is None:
        late = [one for one in load.steps if one.answered]
        why_not = (
            "The sender of the load was late itself: send it from a machine with less to do."
            if late
            else "No request of the load was answered."
        )
        return Choice(whole, why_not=_invalid(load) or why_not)
    # What passed before the sender was late counts: the site carries as much, or more.
    return Choice(of_step(step), step, failed, "" if last else _invalid(load))


def counts(step: Step) -> bool:
    """Whether a step says something of the site: there were answers, and the sender kept time."""
    return step.answered > 0 and not step.late and not is_late(step)


def is_late(step: Step) -> bool:
    """Whether the sender itself was too late for its numbers to count."""
    return step.lag > max(LATE, LATE_SHARE * step.p50)


def of_step(step: Step) -> Window:
    """Return the window of a step."""
    return Window(step.began, max(1, round(step.ended - step.began)))


def sampled(recording: Recording) -> Window:
    """Return the time for which all machines that were sampled have samples."""
    spans = [
        (machine.samples[0].t - machine.samples[0].dt, machine.samples[-1].t)
        for machine in recording.machines.values()
        if machine.samples
    ]
    began = max((span[0] for span in spans), default=recording.began)
    ended = min((span[1] for span in spans), default=recording.ended)
    return Window(began, max(1, round(ended - began)))


def too_little(window: Window, requests: float) -> str:
    """Say why production shows too little to tell anything; "" where it shows enough.

    Args:
        window: its seconds.
        requests: that Django answered.
    """
    if window.seconds < LEAST_SECONDS:
        return (
            f"The measurement took {window.seconds} s; {LEAST_SECONDS} s are the least: "
            "measure for longer."
        )
    if requests < LEAST_REQUESTS:
        return (
            f"Django answered {requests:.0f} requests in {window.seconds} s; {LEAST_REQUESTS} are "
            "the least: measure at a busier hour, or load a copy."
        )
    return ""


def _failed(steps: Sequence[Step], last: Step | None) -> Step | None:
    failed = [step for step in steps if not step.passed and counts(step)]
    if last is None:
        return failed[0] if failed else None
    above = [step for step in failed if step.offered > last.offered]
    # A step can fail by bursts, while more is answered at a higher rate. What is full is seen at
    # the lowest of the rates at which about the most was answered.
    most = max((step.achieved for step in above), default=0.0)
    full = [step for step in above if step.achieved >= NEARLY * most]
    return min(full, key=lambda step: step.offered, default=None)


def _invalid(load: Load) -> str:
    return "" if load.valid else load.invalid or "The load was not valid."
