"""The score of the trials: what is right, and how good predictions were."""

from __future__ import annotations

from typing import Any

import pytest

from bench.trials.expected import EXPECTED
from bench.trials.scoring import (
    Answer,
    Gain,
    answer_of,
    confusion,
    coverage,
    gain_of,
    median_error,
    score,
)
from bench.trials.tables import matrix_lines, wrong_lines

RIGHT = Answer("01", "application processor", "app_servers", "bottleneck")


def advice(verdict: str, place: str, remedy: str | None) -> dict[str, Any]:
    return {"verdict": verdict, "place": place, "change": remedy and {"remedy": remedy}}


def test_place_and_remedy_are_scored_apart() -> None:
    only_place = Answer("04", "database processor", "app_servers", "bottleneck")
    only_remedy = Answer("10", "threads", "larger pool", "bottleneck")
    found = score([RIGHT, only_place, only_remedy])
    assert (found.count, found.places, found.remedies) == (3, 2, 2)
    assert found.place == pytest.approx(2 / 3)
    assert score([]).place == 0


def test_abstaining_is_wrong_but_where_nothing_is_wrong() -> None:
    silent = answer_of("01", advice("not enough load to tell", "nowhere", None))
    assert score([silent]).places == score([silent]).remedies == 0
    calm = answer_of("23", advice("change nothing", "nowhere", None))
    assert score([calm]).places == score([calm]).remedies == 1
    unsure = answer_of("23", advice("not enough load to tell", "nowhere", None))
    assert score([unsure]).places == score([unsure]).remedies == 0
    alarmed = answer_of("23", advice("bottleneck", "threads", "threads"))
    assert score([alarmed]).places == 0


def test_two_parts_are_told_by_the_verdict() -> None:
    both = answer_of("22", advice("two together", "two parts", "app_servers"))
    one = answer_of("22", advice("bottleneck", "two parts", "app_servers"))
    assert score([both]).places == 1
    assert score([one]).places == 0


def test_a_baseline_has_no_verdict() -> None:
    assert score([Answer("01", "application processor", "app_servers")]).places == 1
    assert score([Answer("23", "application processor", "app_servers")]).places == 0


def test_confusion() -> None:
    other = Answer("03", "worker processes", "workers", "bottleneck")
    wrong = Answer("03", "locks", "code", "bottleneck")
    matrix = confusion([RIGHT, other, wrong, wrong])
    assert matrix == {
        "application processor": {"application processor": 1},
        "threads": {"threads": 1, "locks": 2},
    }
    assert matrix_lines(matrix) == [
        "| expected \\ said | application processor | locks | threads |",
        "| --- | --- | --- | --- |",
        "| application processor | 1 |  |  |",
        "| threads |  | 2 | 1 |",
    ]


def test_a_right_place_with_a_wrong_verdict_is_no_right_answer_of_the_matrix() -> None:
    wrong = Answer("01", "application processor", "app_servers", "two together")
    assert confusion([wrong]) == {
        "application processor": {"application processor (two together)": 1}
    }


def test_wrong_ones_are_listed() -> None:
    wrong = Answer("03", "locks", "code", "bottleneck")
    assert wrong_lines(["a-01-1", "a-03-2"], [RIGHT, wrong]) == [
        "a-03-2: said locks, code (bottleneck); expected threads, threads"
    ]


def test_intervals_that_cover() -> None:
    inside, above = Gain(1.5, 2.0, 2.5, 1.6), Gain(1.5, 2.0, 2.5, 4.0)
    more, beyond = Gain(1.5, 2.0, 2.5, 1.2, True), Gain(1.5, 2.0, 2.5, 2.6, True)
    assert [one.is_covered for one in (inside, above, more, beyond)] == [True, False, True, False]
    assert coverage([inside, above, more, beyond]) == 0.5
    assert coverage([]) is None


def test_median_error_leaves_out_what_was_not_reached() -> None:
    gains = [
        Gain(1, 2.0, 3, 1.6),
        Gain(1, 2.0, 3, 2.0),
        Gain(1, 3.0, 4, 2.0),
        Gain(1, 9.0, 9, 2.0, True),
    ]
    assert median_error(gains) == pytest.approx(0.25)
    assert median_error(gains[3:]) is None


def test_gain_of_a_loop() -> None:
    said = {"change": {"gain": {"low": 1.2, "value": 1.8, "high": 2.0}}}
    proof = {"gain": {"low": 1.5, "value": 1.7, "high": 1.9}, "at_least": True}
    assert gain_of(said, proof) == Gain(1.2, 1.8, 2.0, 1.7, True)
    assert gain_of(said, {"error": "no line"}) is None
    assert gain_of({"change": None}, proof) is None
    assert gain_of(said, {**proof, "measure": "response time"}) is None


def test_every_trial_expects_something() -> None:
    assert list(EXPECTED) == [f"{number:02}" for number in range(1, 24)]
