"""Drawings: well-formed, and as long and as high as the figures that they show."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from xml.etree.ElementTree import Element

import pytest

from espalier.insight.evidence import Interval, Kind, Split
from espalier.insight.report import svg
from espalier.insight.report.chart_bounds import chart_bounds
from espalier.insight.report.chart_load import PANEL, chart_load
from espalier.insight.report.chart_pareto import chart_pareto, fewest
from espalier.insight.report.chart_proofs import chart_before_after, chart_ledger
from espalier.insight.report.chart_split import HEIGHT, chart_split, key, pieces
from espalier.insight.report.chart_utilisation import chart_utilisation, thinned
from espalier.insight.report.past import Proof

from .examples import PROOFS, STEPS, part, step

HOSTILE = '</text><script>alert("1")</script>&\x00\u202e'


def drawn(markup: str) -> Element:
    """Return the drawing: it is well-formed, has a name, and no text sticks out below."""
    found = ElementTree.fromstring(markup)
    assert found.tag == "svg" and found[0].tag == "title" and found[1].tag == "desc"
    assert found.get("aria-label") == found[0].text and found[1].text
    _, _, width, height = map(float, found.get("viewBox", "").split())
    for one in found.iter("text"):
        assert 0 <= float(one.get("x", -1)) <= width
        assert 0 < float(one.get("y", -1)) <= height
    return found


def of(found: Element, name: str, look: str) -> list[Element]:
    """Return the elements of a class."""
    return [one for one in found.iter(name) if look in one.get("class", "").split()]


def words(found: Element) -> list[str]:
    return ["".join(one.itertext()) for one in found.iter("text")]


def number(found: Element, key: str) -> float:
    return float(found.get(key, "nan"))


def test_bars_of_bounds_are_as_long_as_the_bounds() -> None:
    parts = [part("a", Kind.PROCESSOR, 20), part("b", Kind.WORKERS, 40)]
    found = drawn(chart_bounds(parts, [("today", 10.0)], width=308))
    first, second = found.iter("rect")
    assert number(second, "width") == pytest.approx(2 * number(first, "width"), abs=0.1)
    # The scale ends at the highest bound of an interval: 42.8.
    assert number(second, "width") == pytest.approx(300 * 40 / 42.8, abs=0.1)
    (line,) = of(found, "line", "mark")
    assert number(line, "x1") == number(line, "x2") == pytest.approx(300 * 10 / 42.8, abs=0.1)
    assert words(found) == ["today 10", "a", "20 (19–21)", "b", "40 (37–43)"]  # noqa: RUF001


def test_interval_is_drawn_from_its_low_to_its_high_bound() -> None:
    one = replace(part("a", Kind.PROCESSOR, 20), bound=Interval(10, 20, 40))
    found = drawn(chart_bounds([one], [("today", 1.0)], width=408))
    (path,) = of(found, "path", "whisker")
    assert path.get("d") == "M100.0 60V68M100.0 64H400.0M400.0 60V68"


def test_a_bound_far_away_is_drawn_without_an_end() -> None:
    parts = [part("a", Kind.PROCESSOR, 20), part("b", Kind.DISK, 4000)]
    found = drawn(chart_bounds(parts, [("today", 10.0)], width=308))
    assert len(of(found, "rect", "bar")) == 1 and len(of(found, "polygon", "bar")) == 1
    assert number(of(found, "rect", "bar")[0], "width") == pytest.approx(75, abs=0.1)


def test_a_rate_above_all_bounds_is_inside_of_the_drawing() -> None:
    found = drawn(chart_bounds([part("a", Kind.PROCESSOR, 20)], [("now", 15), ("peak", 16)]))
    main, peak = of(found, "line", "mark")
    assert 0 < number(main, "x1") < number(peak, "x1") < svg.WIDE


def test_hard_soft_and_lowest_parts_look_different() -> None:
    parts = [
        part("a", Kind.PROCESSOR, 20),
        part("b", Kind.WORKERS, 30),
        part("c", Kind.THREADS, 40),
    ]
    found = drawn(chart_bounds(parts, [("now", 1)]))
    assert [one.get("class") for one in found.iter("rect")] == [
        "bar limit",
        "bar hard",
        "bar soft",
    ]


def test_pieces_of_the_split_are_as_wide_as_their_share() -> None:
    shown = pieces(Split(total=0.2, queue=0.1, computing=0.05, database=0.05))
    assert [(one.letter, one.look, one.share) for one in shown] == [
        ("A", "queue", 0.5),
        ("B", "computing", 0.25),
        ("C", "database", 0.25),
    ]
    found = drawn(chart_split(shown, width=400))
    assert [number(one, "x") for one in found.iter("rect")] == [0, 200, 300]
    assert [number(one, "width") for one in found.iter("rect")] == [198.5, 98.5, 98.5]
    assert {number(one, "height") for one in found.iter("rect")} == {HEIGHT}
    assert words(found) == ["A", "B", "C"]


def test_a_piece_without_room_has_no_letter_in_the_bar_and_one_in_the_list() -> None:
    shown = pieces(Split(total=1.0, queue=0.99, computing=0.01))
    assert words(drawn(chart_split(shown, width=400))) == ["A"]
    assert words(ElementTree.fromstring(key(shown[1]))) == ["B"]


def test_no_split_without_a_total() -> None:
    assert pieces(Split()) == []


def test_points_of_a_load() -> None:
    steps = [step(10, 10, 0.1), step(20, 15, 0.3, passed=False)]
    found = drawn(chart_load(steps, 10.0, width=456))
    # The axis goes from 44 to 444, and from 0 to 20 requests/s.
    assert [number(one, "cx") for one in found.iter("circle")] == [244, 444, 244, 444]
    heights = [number(one, "cy") for one in found.iter("circle")]
    bottom = 26 + PANEL
    assert heights[0] == pytest.approx(bottom - PANEL * 10 / 15, abs=0.1)
    assert heights[1] == pytest.approx(bottom - PANEL, abs=0.1)
    assert [one.get("class") for one in found.iter("circle")] == ["dot", "dot hollow"] * 2
    assert [number(one, "x1") for one in of(found, "line", "mark")] == [244, 244]
    assert "knee 10/s" in words(found)


def test_a_load_without_a_knee_has_no_line_for_it() -> None:
    found = drawn(chart_load([step(10, 2, 9.0, passed=False)], None))
    assert not of(found, "line", "mark") and not any("knee" in one for one in words(found))


def test_fewest_that_make_80_per_cent() -> None:
    assert fewest([0.5, 0.3, 0.2]) == 2
    assert fewest([0.5, 0.29, 0.21]) == 3
    assert fewest([0.9, 0.1]) == 1
    assert fewest([0.3]) == 1
    assert fewest([]) == 0


def test_pareto_has_its_line_below_the_fewest() -> None:
    items = [("a", 0.6), ("b", 0.3), ("c", 0.1)]
    found = drawn(chart_pareto("views", items, width=300))
    assert [number(one, "width") for one in found.iter("rect")] == [300, 150, 50]
    (line,) = of(found, "line", "mark")
    tops = [number(one, "y") for one in found.iter("rect")]
    assert tops[1] < number(line, "y1") < tops[2]
    assert "2 of 3 views take 90%" in words(found)
    assert "30%, together 90%" in words(found)


def test_pareto_of_all_needs_no_line() -> None:
    assert not of(drawn(chart_pareto("views", [("a", 1.0)])), "line", "mark")


def test_pareto_of_many_says_what_it_leaves_out() -> None:
    steep = [("a", 0.82), *[(f"v{at}", 0.02) for at in range(9)]]
    assert words(drawn(chart_pareto("views", steep)))[-1] == "2 more take 4%"
    flat = [(f"v{at}", 0.05) for at in range(20)]
    found = drawn(chart_pareto("views", flat))
    assert words(found)[-1] == "12 more take 60%, and 16 of 20 take 80%"
    assert len(list(found.iter("rect"))) == 8 and not of(found, "line", "mark")


def test_before_and_after() -> None:
    one = Proof("", "workers", "confirmed", "throughput", 10.0, 20.0, None, Interval(1.9, 2.0, 2.1))
    found = drawn(chart_before_after([one]))
    before, after = found.iter("rect")
    assert number(after, "width") == pytest.approx(2 * number(before, "width"), abs=0.2)
    assert words(found)[2:] == ["before 10 requests/s", "after 20 requests/s"]


def test_ledger_has_a_band_of_the_prediction_and_a_dot_of_what_was_measured() -> None:
    one = Proof("", "a", "", "", 1, 2, Interval(1.0, 1.5, 2.0), Interval(1.4, 1.5, 1.6))
    found = drawn(chart_ledger([one], width=222))
    # From 0 to 2, on 200 units that begin at 8.
    (band,) = found.iter("rect")
    assert (number(band, "x"), number(band, "width")) == (108, 100)
    assert [number(one, "cx") for one in found.iter("circle")] == [158]
    assert [one.get("d") for one in of(found, "path", "whisker")] == ["M148.0 27H168.0"]


def test_utilisation_is_as_high_as_it_was() -> None:
    found = drawn(chart_utilisation("vps1", [0.0, 0.5, 1.0], width=300))
    (line,) = found.iter("polyline")
    assert line.get("points") == "0,64 150,42 300,20"
    assert words(found) == ["vps1", "mean 50%, highest 100%"]


def test_a_long_time_is_thinned_and_keeps_its_peaks() -> None:
    values = [0.1] * 1000
    values[777] = 0.9
    assert len(thinned(values, 100)) == 100
    assert max(thinned(values, 100)) == 0.9
    assert thinned([0.1, 0.2]) == [0.1, 0.2]


@pytest.mark.parametrize("width", [svg.NARROW, svg.WIDE])
def test_hostile_names_are_text_in_every_drawing(width: float) -> None:
    proof = Proof(HOSTILE, HOSTILE, HOSTILE, HOSTILE, 1, 2, Interval(1, 2, 3), Interval(1, 2, 3))
    for markup in (
        chart_bounds([part(HOSTILE, Kind.DISK, 20)], [(HOSTILE, 1.0)], width),
        chart_pareto(HOSTILE, [(HOSTILE, 0.9), ("b", 0.1)], width),
        chart_before_after([proof], width),
        chart_ledger([proof], width),
        chart_utilisation(HOSTILE, [0.1], HOSTILE, width),
    ):
        found = drawn(markup)
        assert not list(found.iter("script"))
        assert HOSTILE[:9] in "".join(found.itertext())
        assert "\u202e" not in markup


def test_names_that_are_too_long_are_cut() -> None:
    found = drawn(chart_bounds([part("x" * 300, Kind.DISK, 20)], [("now", 1.0)], svg.NARROW))
    name = words(found)[1]
    assert name.endswith("…") and svg.length(name) < svg.NARROW
    assert "x" * 300 in (found[1].text or "")


def test_drawings_of_a_phone_fit_it() -> None:
    for found in (drawn(chart_load(STEPS, 39.0, svg.NARROW)), drawn(chart_ledger(PROOFS, 328))):
        assert found.get("class") == "narrow" and found.get("viewBox", "").split()[2] == "328"


@pytest.mark.parametrize(
    ("high", "expected"),
    [(49, [0, 20, 40, 60]), (1.9, [0, 0.5, 1, 1.5, 2]), (100, [0, 25, 50, 75, 100]), (0, [0, 1])],
)
def test_ticks(high: float, expected: list[float]) -> None:
    assert svg.ticks(high) == pytest.approx(expected)


def test_an_axis_of_times_has_one_unit() -> None:
    found = words(drawn(chart_load(STEPS, 39.0)))
    assert [one for one in found if one.endswith(" s")] == ["0 s", "1 s", "2 s"]
    quick = words(drawn(chart_load([step(10, 10, 0.18)], 10.0)))
    assert [one for one in quick if one.endswith(" ms")] == ["0 ms", "100 ms", "200 ms"]
