"""A gain is judged by what was seen before and after a change."""

from __future__ import annotations

from dataclasses import replace
from statistics import fmean

import pytest

from espalier.insight.advice import Change, Edit, Place, Remedy
from espalier.insight.evidence import Interval
from espalier.insight.ledger import ledger_entry, record_line, take_back
from espalier.insight.proof import Outcome, Proof, best_step, is_unlimited, prove, ratio
from espalier.insight.recording import Load, Recording, Request
from tests.unit.measuring.recordings import SITE, recording, request, step

WORKERS = Change(
    remedy=Remedy.WORKERS,
    place=Place.WORKERS,
    sentence="Let there be 3 workers.",
    edits=[Edit("group_vars/all/project.yml", ["workers: 1"], ["workers: 3"])],
    gain=Interval(1.6, 1.9, 2.1),
)
MORE = SITE.model_copy(update={"workers": {"vps1": 3}})


def requests(rate: float, began: float, took: float = 0.1) -> list[Request]:
    """So many requests per second, for 60 seconds."""
    return [request(began + at / rate, took) for at in range(int(rate * 60))]


def loaded(capacity: float, *, name: str = "a", site=SITE, profile="p", **more) -> Recording:
    """A load of two steps: one that passed, and one in which the site was full."""
    passed, failed = capacity * 0.8, capacity * 1.2
    steps = [step(passed, passed, 0), step(failed, capacity, 60, passed=False)]
    load = Load(profile=profile, steps=steps, knee=passed, **more)
    sent = [*requests(passed, 0), *requests(capacity, 60)]
    return recording(name, load=load, site=site, requests=sent)


def test_gain_as_predicted_is_confirmed() -> None:
    proof = prove(loaded(20), loaded(38, name="b", site=MORE), WORKERS)
    assert proof.outcome is Outcome.CONFIRMED
    assert proof.measure == "throughput"
    assert (round(proof.before, 1), round(proof.after, 1)) == (20.0, 38.0)
    assert proof.gain and proof.gain.value == pytest.approx(1.9, abs=0.01)
    assert 1.8 < proof.gain.low <= proof.gain.high < 2.0
    assert proof.predicted == Interval(1.6, 1.9, 2.1)
    assert proof.changed == ["workers vps1: 1, now 3"]
    assert not proof.at_least


@pytest.mark.parametrize(
    ("after", "outcome", "words"),
    [
        (25, Outcome.NOT_CONFIRMED, "less than was predicted"),
        (20, Outcome.NOT_CONFIRMED, "No gain"),
        (14, Outcome.WORSE, "take it back"),
    ],
)
def test_less_than_predicted(after: float, outcome: Outcome, words: str) -> None:
    proof = prove(loaded(20), loaded(after, name="b", site=MORE), WORKERS)
    assert proof.outcome is outcome
    assert words in proof.sentence


def all_passed(rate: float) -> Recording:
    load = Load(profile="p", steps=[step(20, 20, 0), step(rate, rate, 60)], knee=rate)
    sent = [*requests(20, 0), *requests(rate, 60)]
    return recording("b", load=load, site=MORE, requests=sent)


def test_limit_that_is_not_reached_gives_a_lower_bound() -> None:
    proof = prove(loaded(20), all_passed(40), WORKERS)
    assert proof.outcome is Outcome.CONFIRMED
    assert proof.at_least
    proof = prove(loaded(20), all_passed(26), WORKERS)
    assert proof.outcome is Outcome.NOTHING
    assert "ended below what was predicted" in proof.sentence


def test_load_that_never_was_too_much_proves_nothing() -> None:
    before = all_passed(40).model_copy(update={"site": SITE})
    proof = prove(before, loaded(60, name="b", site=MORE), WORKERS)
    assert proof.outcome is Outcome.NOTHING
    assert proof.gain is None


def late(*rates: float) -> Recording:
    """A load of steps that passed, and a last one that was sent too late."""
    steps = [step(rate, rate, at * 60) for at, rate in enumerate(rates)]
    spoilt = step(90, 80, len(rates) * 60, passed=False).model_copy(update={"late": True})
    load = Load(profile="p", steps=[*steps, spoilt], valid=False, invalid="It was 40 ms late.")
    sent = [one for at, rate in enumerate(rates) for one in requests(rate, at * 60)]
    return recording("b", load=load, site=MORE, requests=sent)


def test_what_passed_before_the_sender_was_late_is_a_lower_bound() -> None:
    proof = prove(loaded(20), late(16, 38), WORKERS)
    assert (proof.outcome, proof.at_least, proof.after) == (Outcome.CONFIRMED, True, 38)
    short = prove(loaded(20), late(16, 26), WORKERS)
    assert (short.outcome, short.at_least, short.after) == (Outcome.NOTHING, True, 26)


@pytest.mark.parametrize("rates", [(), (16,), (16, 20)])
def test_a_sender_that_was_late_below_what_the_site_answered_before_proves_nothing(
    rates: tuple[float, ...],
) -> None:
    proof = prove(loaded(20), late(*rates), None)
    assert (proof.outcome, proof.gain) == (Outcome.NOTHING, None)
    assert "It was 40 ms late." in proof.sentence


def test_a_load_that_was_stopped_early_is_not_worse() -> None:
    index = replace(WORKERS, gain=None)
    stopped = Load(profile="p", steps=[step(16, 16, 0)], knee=16.0, ended="The load was stopped.")
    after = recording("b", load=stopped, site=MORE, requests=requests(16, 0))
    proof = prove(loaded(20), after, index)
    assert proof.outcome is Outcome.NOTHING
    assert "The load was stopped." in proof.sentence


def test_a_sender_that_was_late_before_the_change_had_not_found_the_limit() -> None:
    before = late(16, 20).model_copy(update={"site": SITE})
    proof = prove(before, loaded(38, name="c", site=MORE), WORKERS)
    assert (proof.outcome, proof.gain) == (Outcome.NOTHING, None)


def test_what_differs_where_it_must_not() -> None:
    other_profile = prove(loaded(20), loaded(38, site=MORE, profile="q"), WORKERS)
    assert other_profile.outcome is Outcome.NOTHING
    assert "two profiles, p and q" in other_profile.sentence
    after = loaded(38, site=MORE)
    more = after.model_copy(update={"machines": {**after.machines, "app2": after.machines["vps1"]}})
    assert "app2" in prove(loaded(20), more, WORKERS).sentence
    assert prove(loaded(20), more, WORKERS).outcome is Outcome.NOTHING
    unchanged = prove(loaded(20), loaded(20.5), WORKERS)
    assert unchanged.outcome is Outcome.NOTHING
    assert "Nothing of the site has changed" in unchanged.sentence
    visitors = prove(loaded(20), recording(), WORKERS)
    assert visitors.outcome is Outcome.NOTHING


def test_index_changes_nothing_that_is_written() -> None:
    index = Change(remedy=Remedy.INDEX, place=Place.QUERY, sentence="", statement="CREATE INDEX")
    assert prove(loaded(20), loaded(38), index).outcome is Outcome.CONFIRMED


def test_best_step_is_that_in_which_most_was_answered() -> None:
    steps = [
        step(10, 10, 0),
        step(40, 12, 60, passed=False),  # so much that it stumbles
        step(16, 15.5, 120, passed=False),
        step(12.5, 12.4, 180),
    ]
    best = best_step(Load(profile="p", steps=steps))
    assert best and best.offered == 16
    assert best_step(Load(profile="p", steps=[])) is None


def test_runs_differ_by_more_than_chance_within_them() -> None:
    even = ratio([100.0] * 9, [100.0] * 9, 0.99, fmean)
    assert (round(even.low, 3), even.value, round(even.high, 3)) == (0.96, 0.99, 1.02)
    uneven = ratio([80.0, 120.0] * 5, [100.0] * 10, 1.0, fmean)
    assert 0.8 < uneven.low < 0.93
    assert 1.07 < uneven.high < 1.2


def test_limit_is_not_reached_where_the_highest_step_is_as_quick_as_before() -> None:
    older = Load(profile="p", steps=[step(10, 10, 0)])  # p95 of 0.2 s
    quick, slow = step(30, 30, 60), step(30, 30, 60).model_copy(update={"p95": 0.7})
    newer = [step(20, 15, 0, passed=False), quick]  # a hiccup below
    assert is_unlimited(Load(profile="p", steps=newer), older)
    assert not is_unlimited(Load(profile="p", steps=[step(20, 20, 0), slow]), older)
    failed = [step(20, 20, 0), step(30, 25, 60, passed=False)]
    assert not is_unlimited(Load(profile="p", steps=failed), older)


def test_where_the_load_began_does_not_change_the_gain() -> None:
    """The same site: one load from below, one from near its limit, where answers are slow."""
    steps = [step(8, 8, 0), step(16, 16, 60), step(24, 20, 120, passed=False)]
    old = Load(profile="p", steps=steps, knee=16.0)
    near = [step(16, 16, 0).model_copy(update={"p95": 0.9}), step(24, 20, 60, passed=False)]
    proof = prove(
        recording(load=old),
        recording("b", load=Load(profile="p", steps=near, knee=16.0), site=MORE),
        WORKERS,
    )
    assert proof.gain and proof.gain.value == pytest.approx(1.0)
    assert proof.outcome is Outcome.NOT_CONFIRMED


def watched(cpu: float, took: float, *, count: float = 10, site=SITE) -> Recording:
    sent = [*requests(count, 0, took), *requests(count, 60, took)]
    return recording(cpu=cpu, requests=sent, site=site)


def test_visitors_processor_time_of_a_request() -> None:
    index = Change(
        remedy=Remedy.INDEX,
        place=Place.QUERY,
        sentence="",
        statement="CREATE INDEX",
        gain=Interval(1.5, 2.0, 2.5),
    )
    # Twice the visitors after it: each costs half as much.
    proof = prove(watched(1.0, 0.1), watched(1.0, 0.1, count=20), index)
    assert proof.measure == "processor time a request"
    assert (proof.before, proof.after) == (pytest.approx(0.1), pytest.approx(0.05))
    assert proof.gain and proof.gain.value == pytest.approx(2.0)
    assert proof.outcome is Outcome.CONFIRMED


def test_visitors_response_time_needs_the_same_traffic() -> None:
    faster = prove(watched(1.0, 0.2), watched(1.0, 0.1, site=MORE), WORKERS)
    assert faster.measure == "response time"
    assert faster.outcome is Outcome.CONFIRMED
    assert faster.predicted is None  # of a throughput
    quiet = prove(watched(1.0, 0.2), watched(1.0, 0.1, count=5, site=MORE), WORKERS)
    assert quiet.outcome is Outcome.NOTHING
    assert "600 pages a minute before and 300" in quiet.sentence


def test_files_are_no_pages_and_a_thinned_log_stands_for_more() -> None:
    """10 pages a second each time: once with as many files, once with half of the log."""
    files = [one._replace(upstream=None) for one in requests(10, 0) + requests(10, 60)]
    pages = requests(10, 0, 0.2) + requests(10, 60, 0.2)
    before = recording(cpu=1.0, requests=[*pages, *files])
    after = recording(cpu=1.0, requests=requests(5, 0) + requests(5, 60), site=MORE, every=2)
    assert prove(before, after, WORKERS).measure == "response time"
    assert prove(before, after, WORKERS).outcome is Outcome.CONFIRMED
    index = Change(remedy=Remedy.INDEX, place=Place.QUERY, sentence="", gain=Interval(1, 2, 3))
    proof = prove(before, after, index)
    assert (proof.before, proof.after) == (pytest.approx(0.1), pytest.approx(0.1))
    assert proof.predicted == index.gain


def test_a_throughput_that_was_predicted_is_no_processor_time_of_two_machines() -> None:
    index = Change(remedy=Remedy.INDEX, place=Place.QUERY, sentence="", gain=Interval(1, 2, 3))
    two = recording(requests=requests(10, 0), machines=("vps1", "db1"))
    assert prove(two, two, index).predicted is None


def test_take_back_reverses_every_edit_last_first() -> None:
    change = Change(
        remedy=Remedy.APP_SERVERS,
        place=Place.APP_PROCESSOR,
        sentence="",
        edits=[
            Edit("hosts.yml", [], ["app2:"], below="vps1:"),
            Edit("hosts.yml", ["tiers: []"], ["tiers: [app_servers]"]),
        ],
    )
    assert take_back(change) == [
        Edit("hosts.yml", ["tiers: [app_servers]"], ["tiers: []"]),
        Edit("hosts.yml", ["app2:"], [], below="vps1:"),
    ]


def test_record_is_of_the_last_seven_that_can_be_compared() -> None:
    def entry(predicted: float, measured: float, *, at_least: bool = False) -> dict[str, object]:
        proof = Proof(
            Outcome.CONFIRMED,
            "",
            predicted=Interval(1, predicted, 3),
            gain=Interval(1, measured, 3),
            at_least=at_least,
        )
        return ledger_entry(proof, recording("a"), recording("b"), WORKERS)

    assert record_line([]) == ""
    assert record_line([entry(2.0, 1.8)]) == "last prediction: error 10%"
    old = [entry(1.0, 2.0)] * 5
    newer = [entry(2.0, 1.8), entry(2.0, 2.0), entry(2.0, 2.1), entry(2.0, 5, at_least=True)]
    more = [entry(2.0, 2.4), entry(2.0, 1.7), entry(2.0, 1.96), entry(2.0, 2.18)]
    # 10, 0, 5, 20, 15, 2, 9 per cent
    assert record_line([*old, *newer, *more]) == "last 7 predictions: median error 9%"
    assert entry(2.0, 1.8)["predicted"] == [1, 2.0, 3]
    assert entry(2.0, 1.8)["remedy"] == "workers"
