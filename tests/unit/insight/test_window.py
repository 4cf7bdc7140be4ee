"""Which seconds of a recording count."""

from __future__ import annotations

import pytest

from espalier.insight.evidence import Kind
from espalier.insight.observe import observe
from espalier.insight.recording import Recording
from espalier.insight.window import Window, choose, counts
from tests.unit.insight.builders import BEGAN, Host, recording

# Django takes 0.02 s of two cores: full at 100 requests/s without anything else.
ALONE = {"web1": Host(services=("nginx", "django"))}
FULL_AT_100 = {"nginx": 0.0, "django": 0.02, "postgresql_primary": 0.0}


def ladder(*steps: float, **changes: object) -> Recording:
    return recording(machines=ALONE, demands=FULL_AT_100, steps=steps, seconds=20, **changes)


def test_all_of_production_counts() -> None:
    found = choose(recording(rate=10, seconds=60))
    assert found.window == Window(BEGAN, 60)
    assert (found.step, found.failed, found.why_not) == (None, None, "")


def test_the_last_step_that_passed_counts_and_the_next_is_where_it_failed() -> None:
    found = choose(ladder(40, 80, 160, 200))
    assert found.window == Window(BEGAN + 20, 20)
    assert found.failed is not None
    assert found.failed.offered == 160


def test_where_no_step_passed_the_first_that_failed_counts() -> None:
    found = choose(ladder(160))
    assert found.window == Window(BEGAN, 20)
    assert found.step is found.failed
    assert found.why_not == ""


def test_a_step_that_failed_before_a_better_one_is_not_the_end() -> None:
    made = ladder(40, 80)
    assert made.load is not None
    first = made.load.steps[0].model_copy(update={"passed": False})
    load = made.load.model_copy(update={"steps": [first, made.load.steps[1]]})
    assert choose(made.model_copy(update={"load": load})).failed is None


def test_a_load_that_searches_fails_before_it_has_found_the_highest_step() -> None:
    """Rates are doubled until one fails, then raised from the last that passed."""
    made = ladder(40, 80, 160)
    assert made.load is not None
    low, passed, failed = made.load.steps
    steps = [low, failed, passed.model_copy(update={"began": failed.ended})]
    load = made.load.model_copy(update={"steps": steps})
    found = choose(made.model_copy(update={"load": load}))
    assert (found.step and found.step.offered) == 80
    assert (found.failed and found.failed.offered) == 160


def _with_steps(made: Recording, **changes: object) -> Recording:
    assert made.load is not None
    steps = [step.model_copy(update=changes) for step in made.load.steps]
    return made.model_copy(update={"load": made.load.model_copy(update={"steps": steps})})


@pytest.mark.parametrize(
    ("changes", "says"),
    [({"lag": 2.0}, "sender"), ({"answered": 0}, "answered")],
    ids=["late sender", "no answer"],
)
def test_a_load_without_a_step_that_counts_tells_nothing(
    changes: dict[str, object], says: str
) -> None:
    found = observe(_with_steps(ladder(40, 160), **changes))
    assert not found.enough
    assert says in found.why_not
    assert (found.failed, found.beyond) == (False, None)


def test_a_sender_may_be_late_by_little_beside_slow_answers() -> None:
    made = ladder(40)
    assert made.load is not None
    step = made.load.steps[0]
    assert counts(step.model_copy(update={"lag": 0.015, "p50": 0.02}))
    assert counts(step.model_copy(update={"lag": 0.03, "p50": 0.5}))
    assert not counts(step.model_copy(update={"lag": 0.03, "p50": 0.1}))


def test_what_passed_before_the_sender_was_late_counts() -> None:
    made = ladder(40, 80)
    assert made.load is not None
    low, high = made.load.steps
    late = high.model_copy(update={"passed": False, "late": True})
    invalid = {"valid": False, "invalid": "It was 40 ms late."}
    load = made.load.model_copy(update={"steps": [low, late], **invalid})
    found = observe(made.model_copy(update={"load": load}))
    assert (found.enough, found.failed, found.sustained) == (True, False, low.achieved)
    nothing = made.load.model_copy(update={"steps": [late], **invalid})
    found = observe(made.model_copy(update={"load": nothing}))
    assert (found.enough, found.why_not) == (False, "It was 40 ms late.")


def test_a_load_of_one_rate_counts_from_its_warming_up_on() -> None:
    made = ladder(40)
    assert made.load is not None
    found = choose(
        made.model_copy(update={"load": made.load.model_copy(update={"steps": [], "knee": None})})
    )
    assert found.window == Window(BEGAN + 15, 5)


def test_production_needs_200_requests() -> None:
    few, many = observe(recording(rate=2, seconds=60)), observe(recording(rate=5, seconds=60))
    assert (few.enough, many.enough) == (False, True)
    assert "busier hour" in few.why_not


def test_production_needs_30_seconds() -> None:
    found = observe(recording(rate=20, seconds=20))
    assert (found.enough, found.seconds) == (False, 20.0)
    assert "for longer" in found.why_not


def test_machines_that_began_later_shorten_production() -> None:
    made = recording(
        machines={"web1": Host(services=("nginx", "django")), "db1": Host(("postgresql_primary",))},
        seconds=60,
    )
    late = made.machines["db1"].model_copy(update={"samples": made.machines["db1"].samples[10:50]})
    found = choose(made.model_copy(update={"machines": made.machines | {"db1": late}}))
    assert found.window == Window(BEGAN + 10, 40)


def test_a_recording_without_samples_tells_nothing() -> None:
    made = recording(rate=20, seconds=60)
    empty = made.machines["web1"].model_copy(update={"samples": []})
    found = observe(made.model_copy(update={"machines": {"web1": empty}}))
    assert (found.enough, found.part(Kind.PROCESSOR)) == (False, None)


def test_a_second_without_a_sample_gets_the_mean_of_the_others() -> None:
    made = recording(rate=20, seconds=4).machines["web1"].samples
    values = dict(zip([one.t for one in made], [1.0, 2.0, 6.0, 9.0], strict=True))
    without = [made[0], made[1], made[3]]
    assert Window(BEGAN, 4).series(without, lambda one: values[one.t]) == [1.0, 2.0, 4.0, 9.0]


def test_what_was_answered_well_is_what_is_sustained() -> None:
    found = observe(_with_steps(ladder(40), answered=700, failed=100))
    assert found.sustained == 30.0
    assert found.rate == pytest.approx(40, rel=0.1)


def test_a_load_that_did_not_come_to_this_site_tells_nothing() -> None:
    made = ladder(40)
    web = made.machines["web1"].model_copy(update={"requests": []})
    found = observe(made.model_copy(update={"machines": {"web1": web}}))
    assert not found.enough
    assert "nginx' log" in found.why_not
    assert found.rate == found.sustained == pytest.approx(40, rel=0.1)


def test_the_step_beyond_is_seen_in_its_own_seconds() -> None:
    found = observe(ladder(40, 80, 160))
    assert found.failed
    assert found.beyond is not None
    assert found.rate == pytest.approx(80, rel=0.1)
    assert found.sustained == pytest.approx(80, rel=0.1)
    assert found.beyond.rate == pytest.approx(100, rel=0.05)
    assert found.beyond.split.share("queue") > 0.5
    assert found.beyond.beyond is None
    assert found.quick < 0.1 < found.beyond.slow


def test_a_machine_that_left_before_the_site_failed_is_named() -> None:
    made = ladder(40, 80, 160)
    web = made.machines["web1"]
    left = web.model_copy(update={"samples": web.samples[:40], "requests": []})
    found = observe(made.model_copy(update={"machines": {"web1": web, "app1": left}}))
    assert found.facts["silent"] == []
    assert found.beyond
    assert found.beyond.facts["silent"] == ["app1"]


def test_the_end_is_where_the_most_was_answered_not_where_bursts_made_it_slow() -> None:
    made = ladder(10, 20, 40, 80)
    assert made.load
    lowest, bursts, full, beyond = (
        step.model_copy(update={"passed": step.offered == 10, "answered": answered, "failed": 0})
        for step, answered in zip(made.load.steps, (600, 1000, 2000, 2050), strict=True)
    )
    steps = [lowest, bursts, full, beyond]
    found = choose(made.model_copy(update={"load": made.load.model_copy(update={"steps": steps})}))

    assert found.step is not None and found.step.offered == 10
    assert found.failed is not None and found.failed.offered == 40
