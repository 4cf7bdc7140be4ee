"""A whole load against a modelled site: where it ends, and what it found."""

from __future__ import annotations

import threading
from collections.abc import Callable

from espalier.insight.recording import Load, Step
from espalier.load.rates import Plan
from espalier.load.sender import Outcome
from espalier.load.stepping import STOPPED, drive


class Modelled:
    """Senders to a site that answers in 20 ms up to a rate, and queues what is above."""

    def __init__(self, limit: float, late_above: float = 1e9) -> None:
        """Keep up with `limit` requests/s; the senders are late above `late_above`."""
        self.limit, self.late_above = limit, late_above
        self.now, self.rates, self.probes, self.processes = 0.0, [], 0, 1
        self.rates: list[float] = []

    def clock(self) -> float:
        """The time of the model."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds

    def grow(self, number: int) -> None:
        """Note it."""
        self.processes = max(number, self.processes)

    def probe(self) -> float:
        """The first answer after a step comes slowly."""
        self.probes += 1
        return 0.02 if self.probes % 2 == 0 else 3.0

    def send(
        self,
        rate: float,
        seconds: float,
        drain: float,
        watch: Callable[[list[Outcome], int, float], str],
    ) -> tuple[list[Outcome], float, str]:
        """Answer, a second of the model after the other."""
        self.rates.append(rate)
        began, excess = self.now, max(rate / self.limit - 1, 0)
        late = 0.05 if rate > self.late_above else 0.001
        outcomes: list[Outcome] = []
        for second in range(int(seconds)):
            for number in range(int(rate)):
                due = second + number / rate
                outcomes.append(Outcome(due, late, 0.02 + due * excess, ""))
            if cut := watch(outcomes, int(rate * 5), second + 1.0):
                break
        self.now += second + 1
        return outcomes, began, cut


def loaded(model: Modelled, plan: Plan, on_step: Callable[[Step], None] | None = None) -> Load:
    stop = threading.Event()
    return drive(
        model,
        "all",
        plan,
        stop=stop,
        on_step=on_step or (lambda step: None),
        clock=model.clock,
        sleep=model.sleep,
    )


def test_the_knee_is_the_last_rate_that_passed() -> None:
    seen: list[Step] = []

    load = loaded(Modelled(100), Plan(start=40, factor=2, seconds=20, warm_up=5), seen.append)

    assert [(step.offered, step.passed) for step in load.steps] == [
        (40, True),
        (80, True),
        (160, False),
    ]
    assert seen == load.steps
    assert load.knee == 80
    assert load.steps[2].why.startswith("p95 is ")
    assert load.valid and load.ended == "The site no longer kept up, by far."


def test_it_waits_for_the_queue_between_two_steps() -> None:
    model = Modelled(1000)

    loaded(model, Plan(start=40, factor=2, last=80, seconds=20, warm_up=5))

    # One slow answer, half a second, one quick answer.
    assert (model.probes, model.now) == (2, 40.5)


def test_a_load_is_bounded_in_requests_and_in_time() -> None:
    plan = Plan(start=10, factor=2, seconds=20, warm_up=5, most_requests=1000)
    timed = Plan(start=10, factor=2, seconds=20, warm_up=5, most_seconds=50)

    assert [step.offered for step in loaded(Modelled(1000), plan).steps] == [10, 20]
    assert loaded(Modelled(1000), plan).ended == "The bound of 1000 requests was reached."
    assert [step.offered for step in loaded(Modelled(1000), timed).steps] == [10, 20]
    assert loaded(Modelled(1000), timed).ended == "The bound of 50 seconds was reached."


def test_a_late_sender_tries_once_more_and_then_proves_nothing() -> None:
    model = Modelled(1000, late_above=50)

    load = loaded(model, Plan(start=40, factor=2, seconds=20, warm_up=5))

    assert model.rates == [40, 80, 80]
    assert model.processes == 2
    assert (load.knee, load.valid) == (40, False)
    assert load.invalid.startswith("At 80 requests/s the load itself was 50 ms late")
    assert (load.steps[1].passed, load.steps[1].late) == (False, True)


def test_what_was_stopped_in_the_middle_is_kept() -> None:
    stop = threading.Event()
    model = Modelled(1000)
    plan = Plan(start=40, factor=2, seconds=20, warm_up=5)

    def stop_after_two(step: Step) -> None:
        if step.offered == 80:
            stop.set()

    load = drive(
        model,
        "all",
        plan,
        stop=stop,
        on_step=stop_after_two,
        clock=model.clock,
        sleep=model.sleep,
    )

    assert [step.offered for step in load.steps] == [40, 80]
    assert (load.knee, load.ended) == (80, STOPPED)


def test_production_is_left_alone_when_it_becomes_slow() -> None:
    load = loaded(
        Modelled(9.5), Plan(only_rate=10, seconds=300, warm_up=5, careful=True), lambda step: None
    )

    assert len(load.steps) == 1
    assert load.steps[0].ended - load.steps[0].began < 60
    assert load.ended.startswith("The load ended so that visitors notice nothing: p95 went from")
    assert load.knee is None
