"""Views, errors, replays and the fewest that take most of the time."""

from __future__ import annotations

import pytest

from espalier.insight import pareto
from espalier.insight.evidence import Kind, View
from espalier.insight.observe import observe
from espalier.insight.recording import Request, Statement
from espalier.insight.replay import replays
from espalier.insight.views import errors, quietest, views
from espalier.insight.window import Row, choose
from tests.unit.insight.builders import BEGAN, Host, Visit, recording
from tests.unit.insight.test_split import PLAIN

TWO = [
    Visit(view="shop:list", path="/list/", share=3, weight=1),
    Visit(view="shop:search", path="/search/", share=1, weight=9, queries=20, writes=1),
]


def rows(*requests: Request, weight: int = 1) -> list[Row]:
    return [Row("web1", weight, one) for one in requests]


def test_a_view_is_the_sum_of_its_requests() -> None:
    other = PLAIN._replace(path="/other/", method="POST", writes=2, personal=True, status=500)
    (found,) = views(rows(PLAIN, PLAIN, PLAIN, other, weight=10))
    assert (found.name, found.paths, found.method) == ("home", ("/", "/other/"), "GET")
    assert (found.requests, found.errors) == (40, 10)
    assert (found.writes, found.personal, found.queries) == (0.25, 0.25, 2.0)
    assert (found.app, found.cpu, found.database) == pytest.approx((20.0, 4.0, 8.0))
    assert (found.p50, found.p95) == (1.0, 1.0)


def test_without_a_view_name_paths_of_objects_are_one() -> None:
    untold = [
        PLAIN._replace(view="", app=None, path=path)
        for path in ("/order/1/", "/order/22/", "/order/*/", "/about/")
    ]
    found = {view.name: view.requests for view in views(rows(*untold))}
    assert found == {"GET /order/*/": 3, "GET /about/": 1}


def test_what_nginx_answers_itself_is_no_view() -> None:
    assert views(rows(PLAIN._replace(upstream=None))) == []


def test_views_come_by_the_time_they_took() -> None:
    found = observe(recording(visits=TWO, rate=20)).views
    assert [view.name for view in found] == ["shop:search", "shop:list"]
    assert found[0].queries == 20
    assert found[0].writes == 1.0
    assert found[0].cpu / (found[0].cpu + found[1].cpu) == pytest.approx(0.75, abs=0.05)


def test_requests_for_files_are_no_part_of_the_rate_and_hits_are() -> None:
    made = recording(rate=20, seconds=60)
    web = made.machines["web1"]
    moved = [
        one._replace(upstream=None, app=None, cache="HIT" if place % 4 == 1 else "")
        if place % 2
        else one
        for place, one in enumerate(web.requests)
    ]
    changed = web.model_copy(update={"requests": moved})
    found = observe(made.model_copy(update={"machines": {"web1": changed}}))
    assert found.rate == pytest.approx(15, rel=0.1)
    assert found.rate_django == pytest.approx(10, rel=0.1)


def test_errors_are_a_share_of_requests_for_django() -> None:
    failed = PLAIN._replace(status=503, upstream=None)
    image = PLAIN._replace(upstream=None, path="/static/a.png")
    assert errors(rows(PLAIN, PLAIN, PLAIN, failed, image, image)) == 0.25
    assert errors([]) == 0.0


def test_the_quietest_tenth_shows_how_quick_the_site_is() -> None:
    quiet = [PLAIN._replace(t=float(i), took=0.1) for i in range(0, 100, 5)]
    busy = [PLAIN._replace(t=100 + i / 10, took=3.0) for i in range(900)]
    assert quietest(rows(*quiet, *busy)) == 0.1


def test_a_cache_answers_what_is_asked_again_while_it_is_fresh() -> None:
    at = [0, 4, 9, 11, 100]  # of one address
    asked = [PLAIN._replace(t=1_000_000 + t + 0.5) for t in at]
    made = recording(seconds=120)
    web = made.machines["web1"].model_copy(update={"requests": asked})
    made = made.model_copy(update={"machines": {"web1": web}})
    found = replays(made, choose(made).window)
    assert {one.seconds: one.hits for one in found} == {60.0: 3, 10.0: 2}
    ten = next(one for one in found if one.seconds == 10)
    assert (ten.view, ten.path, ten.requests) == ("home", "/", 5)
    assert ten.saved == pytest.approx(2 * 0.3)
    assert ten.share == pytest.approx(2 / 5)


@pytest.mark.parametrize(
    "visit",
    [Visit(keys=1, personal=True), Visit(keys=1, method="POST"), Visit(keys=1, status=404)],
    ids=["personal", "POST", "not found"],
)
def test_nothing_of_one_visitor_and_no_error_is_kept(visit: Visit) -> None:
    assert observe(recording(visits=[visit])).replays == []


def test_repeated_pages_would_be_hits_and_others_not() -> None:
    kinds = [Visit(view="hot", keys=1), Visit(view="cold", keys=10**9)]
    found = {one.view: one for one in observe(recording(visits=kinds)).replays if one.seconds == 10}
    assert set(found) == {"hot"}
    assert found["hot"].hits / found["hot"].requests > 0.95
    assert found["hot"].share == pytest.approx(0.5, abs=0.05)


def test_a_log_that_was_thinned_out_tells_no_hits() -> None:
    made = recording(visits=[Visit(keys=1)])
    web = made.machines["web1"].model_copy(update={"every": 10})
    found = observe(made.model_copy(update={"machines": {"web1": web}}))
    assert found.replays == []
    assert found.rate == pytest.approx(200, rel=0.1)
    threads = found.part(Kind.THREADS)
    assert threads is not None
    assert threads.busy == pytest.approx(200 * 0.025, rel=0.1)


def test_a_cache_is_warm_from_before_the_window_and_each_machine_has_its_own() -> None:
    made = recording(visits=[Visit(keys=1)], steps=[20, 25], seconds=20)
    (found,) = (one for one in observe(made).replays if one.seconds == 60)
    assert found.hits == found.requests
    one = recording(seconds=60)
    asked = [PLAIN._replace(t=BEGAN + t) for t in (10.0, 20.0)]
    two = {
        name: one.machines["web1"].model_copy(update={"requests": [request]})
        for name, request in zip(("web1", "web2"), asked, strict=True)
    }
    assert observe(one.model_copy(update={"machines": two})).replays == []


def _view(name: str, cpu: float) -> View:
    return View(name, (f"/{name}/",), "GET", 10, cpu, cpu, 0.0, 1.0, 0, 0, 0, 0, 0, 0.1, 0.1)


def test_the_fewest_views_that_take_most_of_the_time() -> None:
    found = pareto.of_views([_view("a", 15.0), _view("b", 60.0), _view("c", 5.0), _view("d", 20.0)])
    assert [(one.name, one.title, one.share) for one in found] == [
        ("b", "/b/", 0.6),
        ("d", "/d/", 0.2),
    ]
    assert found[-1].cumulative == 0.8
    assert found[0].halved == pytest.approx(1 / 0.7)


def test_the_fewest_statements_that_take_most_of_the_time() -> None:
    made = [
        Statement(id="1", text="SELECT 1", calls=9, seconds=1.0),
        Statement(id="2", text="SELECT 2", calls=3, seconds=9.0),
    ]
    (found,) = pareto.of_statements(made)
    assert (found.name, found.title, found.calls, found.share) == ("2", "SELECT 2", 3, 0.9)
    assert pareto.of_statements([]) == []


def test_bytes_to_visitors_are_counted_by_the_second() -> None:
    found = observe(recording(machines={"web1": Host()}, rate=20))
    assert found.bytes_sent == pytest.approx(20 * 10_000 / 1024 / 1024, rel=0.1)
