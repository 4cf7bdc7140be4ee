"""The order of a release, told without a machine: what machines answered -> what is next."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from espalier.inventory.site import SiteError
from espalier.rollout.order import (
    Answer,
    Done,
    Order,
    Task,
    _builds,
    answer_plan,
    failure,
    next_tasks,
)
from espalier.rollout.outcome import Outcome

TWO = ("app1", "app2")
ORDER = Order(TWO, (("app1",), ("app2",)), identity="new", new_id="id-new")


def status(live: str = "old", *others: str, stale: bool = False, healthy: bool = True) -> Any:
    kept = [live, *others] if live else list(others)
    return {
        "live": {"id": f"id-{live}", "identity": live, "healthy": healthy} if live else None,
        "stale": stale,
        "releases": [{"id": f"id-{one}", "identity": one, "good": True} for one in kept],
    }


DATA: dict[str, Any] = {
    "build": {"changed": True},
    "migrate": {"changed": True},
    "switch": {"action": "switched"},
    "clean": {"removed": []},
    "compare": {"live": "r1", "wanted": "r2"},
}


def play(
    order: Order = ORDER,
    statuses: dict[str, Any] | None = None,
    failing: Callable[[Task], bool] = lambda task: False,
) -> list[list[str]]:
    """Play an order to its end; gives its stages as `step machine release` each."""
    return [
        [" ".join(filter(None, (t.step, t.machine, t.release))) for t in stage]
        for stage, _ in _play(order, statuses, failing)
    ]


def _play(order: Order, statuses: Any, failing: Callable[[Task], bool]) -> list[Any]:
    statuses = statuses or {name: status() for name in order.machines}
    done: list[Done] = []
    stages = []
    while tasks := next_tasks(order, done):
        assert len(stages) < 50, "it does not end"
        for task in tasks:
            if failing(task):
                answer = Answer(error=f"{task.step} failed")
            elif task.step == "plan":
                answer = Answer(answer_plan(order, done))
            elif task.step == "status":
                answer = Answer(statuses[task.machine])
            else:
                answer = Answer(DATA.get(task.step, {}))
            done.append(Done(task, answer))
        stages.append((tasks, list(done)))
    return stages


def fails(step: str, machine: str = "") -> Callable[[Task], bool]:
    return lambda task: task.step == step and machine in ("", task.machine)


def test_release_is_built_everywhere_migrated_once_and_switched_in_batches() -> None:
    assert play() == [
        ["status app1", "status app2"],
        ["plan app1"],
        ["build app1 id-new", "build app2 id-new"],
        ["migrate app1 id-new"],
        ["switch app1 id-new"],
        ["switch app2 id-new"],
        ["clean app1", "clean app2"],
    ]


def test_hooks_run_on_the_first_machine_and_caches_are_purged_before_that() -> None:
    moments = ("before_migrate", "after_migrate", "after_switch")
    order = replace(ORDER, hooks=moments, caching=("web1",))
    stages = play(order)
    assert stages[3:6] == [
        ["prehook app1 before_migrate:id-new"],
        ["migrate app1 id-new"],
        ["prehook app1 after_migrate:id-new"],
    ]
    assert stages[-3:] == [
        ["purge web1 new"],
        ["clean app1", "clean app2"],
        ["hook app1 after_switch"],
    ]


def test_failed_purge_takes_back_nothing_that_is_live_everywhere() -> None:
    order = replace(ORDER, caching=("web1",))
    stages = _play(order, None, fails("purge"))
    assert play(order, failing=fails("purge"))[-2:] == [
        ["purge web1 new"],
        ["clean app1", "clean app2"],
    ]
    outcome = Outcome(order, tuple(stages[-1][1]), 1.0)
    assert (outcome.action, outcome.exit_status) == ("released", 1)


def test_way_back_purges_the_pages_of_the_release_that_failed() -> None:
    stages = play(replace(ORDER, caching=("web1",)), failing=fails("switch", "app2"))
    assert stages[-3:] == [
        ["rollback app1 id-old", "rollback app2 id-old"],
        ["purge web1 old"],
        ["remove app1 id-new", "remove app2 id-new"],
    ]


def test_nothing_is_done_where_the_release_is_live_and_well() -> None:
    live = {name: status("new") for name in TWO}
    assert play(statuses=live) == [["status app1", "status app2"], ["plan app1"]]


@pytest.mark.parametrize("change", [{"stale": True}, {"healthy": False}])
def test_live_release_is_started_anew_where_it_is_not_well_or_its_settings_changed(
    change: dict[str, bool],
) -> None:
    stages = play(statuses={"app1": status("new"), "app2": status("new", **change)})
    assert stages[2:] == [
        ["migrate app1 id-new"],
        ["switch app1 id-new"],
        ["switch app2 id-new"],
        ["clean app1", "clean app2"],
    ]


def test_release_that_was_cut_off_after_its_switch_is_finished() -> None:
    cut_off = status("new") | {"unfinished": True}
    stages = play(statuses={"app1": status("new") | {"unfinished": False}, "app2": cut_off})
    assert stages[3:5] == [["switch app1 id-new"], ["switch app2 id-new"]]


def test_release_that_is_there_is_not_built_again() -> None:
    stages = play(statuses={"app1": status("old", "new"), "app2": status()})
    assert stages[2] == ["build app2 id-new"]


def test_release_built_with_another_python_is_built_again() -> None:
    upgraded = status("new") | {"python": "3.13"}
    upgraded["releases"][0]["python"] = "3.11"
    one = replace(ORDER, machines=("app1",), batches=(("app1",),), new_id="id-newer")
    stages = play(one, {"app1": upgraded})
    assert stages[2] == ["build app1 id-newer"]


def test_failed_switch_takes_back_what_was_switched_and_removes_what_was_built() -> None:
    stages = play(failing=fails("switch", "app2"))
    assert stages[5:] == [
        ["switch app2 id-new"],
        ["rollback app1 id-old", "rollback app2 id-old"],
        ["remove app1 id-new", "remove app2 id-new"],
    ]


def test_failed_build_removes_what_others_built_and_switches_nothing() -> None:
    stages = play(failing=fails("build", "app2"))
    assert stages[2:] == [["build app1 id-new", "build app2 id-new"], ["remove app1 id-new"]]


def test_failed_migration_switches_nothing() -> None:
    stages = play(failing=fails("migrate"))
    assert stages[3:] == [
        ["migrate app1 id-new"],
        ["remove app1 id-new", "remove app2 id-new"],
    ]


def test_machine_that_does_not_answer_at_first_ends_it() -> None:
    assert play(failing=fails("status", "app2")) == [["status app1", "status app2"]]


def test_way_back_goes_on_where_one_machine_cannot_go_back() -> None:
    def failing(task: Task) -> bool:
        return (task.step, task.machine) in (("switch", "app2"), ("rollback", "app1"))

    stages = play(failing=failing)
    assert stages[-1] == ["remove app1 id-new", "remove app2 id-new"]
    done = _play(ORDER, None, failing)[-1][1]
    failed = failure(done)
    assert failed
    assert (failed.task.step, failed.task.machine) == ("switch", "app2")
    text = Outcome(ORDER, tuple(done), 1.0).sentence()
    assert text == (
        "app2: switch failed\napp1 did not go back: rollback failed\n"
        "Live now: id-new or id-old on app1; id-old on app2."
    )


def test_first_release_that_fails_is_kept_as_there_is_no_other() -> None:
    empty = {name: status("") for name in TWO}
    assert play(statuses=empty, failing=fails("switch", "app1"))[-1] == ["switch app1 id-new"]


def test_failed_hook_or_clean_after_the_switch_takes_nothing_back() -> None:
    order = replace(ORDER, hooks=("after_switch",))
    for step in ("hook", "clean"):
        stages = _play(order, None, fails(step))
        tasks, done = stages[-1]
        assert [task.step for task in tasks] == ["hook"]
        outcome = Outcome(order, tuple(done), 1.0)
        assert (outcome.action, outcome.exit_status) == ("released", 1)
        assert f"But {step} failed" in outcome.sentence()


def test_plan_builds_on_the_first_machine_and_stops() -> None:
    assert play(replace(ORDER, only_plan=True))[2:] == [
        ["build app1 id-new"],
        ["compare app1 id-new"],
    ]


def test_rollback_checks_the_database_and_builds_nothing() -> None:
    order = replace(ORDER, identity="", new_id="", rollback_to="")
    statuses = {name: status("new", "old") for name in TWO}
    assert play(replace(order, hooks=("before_migrate", "after_rollback")), statuses)[2:] == [
        ["check app1 id-old"],
        ["switch app1 id-old"],
        ["switch app2 id-old"],
        ["clean app1", "clean app2"],
        ["hook app1 after_rollback"],
    ]


def leaving(order: Order, statuses: Any, failing: Callable[[Task], bool]) -> list[str]:
    """The steps that leave a release for good."""
    stages = _play(order, statuses, failing)
    return [f"{t.step} {t.machine}" for tasks, _ in stages for t in tasks if t.leaves]


def test_machines_are_told_what_is_left_for_good() -> None:
    back = replace(ORDER, identity="", new_id="", rollback_to="")
    two = {name: status("new", "old") for name in TWO}
    assert leaving(ORDER, None, lambda task: False) == []
    assert leaving(back, two, lambda task: False) == ["switch app1", "switch app2"]
    failing = fails("switch", "app2")
    assert leaving(ORDER, None, failing) == ["rollback app1", "rollback app2"]
    # A rollback that failed may be tried again.
    assert leaving(back, two, failing) == ["switch app1", "switch app2"]


def test_rollback_to_what_a_machine_has_not_got_is_refused_before_anything_is_done() -> None:
    order = replace(ORDER, identity="", rollback_to="old")
    statuses = {"app1": status("new", "old"), "app2": status("new")}
    with pytest.raises(Exception, match="app2 does not have that release any more"):
        play(order, statuses)


def test_release_must_answer_through_each_nginx_or_only_where_the_one_before_did() -> None:
    def probing(order: Order) -> list[bool]:
        stages = _play(order, None, lambda task: False)
        return [task.probe for tasks, _ in stages for task in tasks if task.step == "switch"]

    assert probing(ORDER) == [True, True]
    DATA["front"] = {"answers": False}
    assert probing(replace(ORDER, only_known_fronts=True)) == [False, False]
    DATA["front"] = {"answers": True}
    assert probing(replace(ORDER, only_known_fronts=True)) == [True, True]


def test_front_is_not_asked_where_nothing_is_live() -> None:
    empty = {"app1": status(), "app2": status("")}
    stages = play(replace(ORDER, only_known_fronts=True), empty)
    assert ["front app1"] in stages


def test_a_machine_that_has_nothing_live_is_told_what_the_site_has() -> None:
    order = Order(machines=("app1", "app2"), batches=(("app1", "app2"),), identity="new")
    live = {"id": "old", "identity": "old", "healthy": True, "settings": "shop.settings.dev"}
    statuses = {
        "app1": {"live": live, "releases": []},
        "app2": {"live": None, "releases": []},
    }
    ids = {"app1": "r1", "app2": "r1"}
    assert [
        (one.machine, one.settings) for one in _builds(order, statuses, ids, order.machines)
    ] == [
        ("app1", ""),
        ("app2", "shop.settings.dev"),
    ]
    del live["settings"]  # the program of an older kit
    assert {one.settings for one in _builds(order, statuses, ids, order.machines)} == {""}


BUILDER = replace(ORDER, build_on="app2")


def builds(order: Order, statuses: Any = None) -> list[list[str]]:
    statuses = statuses or {name: status() for name in order.machines}
    statuses = {name: one | {"platform": "Debian 13"} for name, one in statuses.items()}
    stages = play(order, statuses)
    return [stage for stage in stages if stage[0].split()[0] in ("build", "wheels")]


def test_one_machine_builds_and_the_others_take_its_wheels() -> None:
    assert builds(BUILDER) == [
        ["build app2 id-new"],
        ["wheels app2 id-new"],
        ["build app1 id-new"],
    ]


def test_what_is_built_already_gives_its_wheels_and_takes_none() -> None:
    assert builds(BUILDER, {"app1": status(), "app2": status("old", "new")}) == [
        ["wheels app2 id-new"],
        ["build app1 id-new"],
    ]
    assert builds(BUILDER, {"app1": status("old", "new"), "app2": status()}) == [
        ["build app2 id-new"]
    ]


def test_a_comparison_is_built_there_too() -> None:
    assert builds(replace(BUILDER, only_plan=True)) == [
        ["build app2 id-new"],
        ["wheels app2 id-new"],
        ["build app1 id-new"],
    ]
    built = {"app1": status("old", "new"), "app2": status()}
    assert builds(replace(BUILDER, only_plan=True), built) == []


def test_wheels_that_cannot_be_had_end_a_release() -> None:
    statuses = {name: status() | {"platform": "Debian 13"} for name in TWO}
    assert play(BUILDER, statuses, fails("wheels"))[3:] == [
        ["wheels app2 id-new"],
        ["remove app2 id-new"],
    ]


@pytest.mark.parametrize(
    ("platforms", "sentence"),
    [
        (("Debian 13", "Debian 12"), "app2 is Debian 12, and app1 is Debian 13, so wheels of"),
        (("Debian 13", ""), "the release command of app2 is of an older kit"),
        (("", "Debian 13"), "the release command of app1 is of an older kit"),
        (("", ""), "the release command of app2 is of an older kit"),
    ],
)
def test_wheels_are_taken_from_the_same_platform_only(
    platforms: tuple[str, str], sentence: str
) -> None:
    done = [
        Done(Task("status", name), Answer(status() | ({"platform": one} if one else {})))
        for name, one in zip(TWO, platforms, strict=True)
    ]
    with pytest.raises(SiteError, match=sentence):
        answer_plan(BUILDER, done)
    assert answer_plan(ORDER, done) == {"app1": "id-new", "app2": "id-new"}


LAB = replace(ORDER, build_on="lab")


def test_a_lab_machine_builds_for_all() -> None:
    assert builds(LAB) == [["wheels lab"], ["build app1 id-new", "build app2 id-new"]]
    built = {"app1": status("old", "new"), "app2": status()}
    assert builds(LAB, built) == [["wheels lab"], ["build app2 id-new"]]
    assert builds(replace(LAB, only_plan=True)) == [["wheels lab"], ["build app1 id-new"]]
    statuses = {name: status() | {"platform": "Debian 13 on arm64"} for name in TWO}
    assert Task("wheels", "lab", like="app1", platform="Debian 13 on arm64") in [
        task for stage, _ in _play(LAB, statuses, fails("")) for task in stage
    ]


def test_no_lab_machine_is_started_for_what_is_built() -> None:
    assert builds(LAB, {name: status("old", "new") for name in TWO}) == []
    assert builds(replace(LAB, identity="", rollback_to="old"), None) == []


def test_a_machine_of_that_name_goes_first() -> None:
    order = replace(LAB, machines=("app1", "lab"), batches=(("app1",), ("lab",)))
    assert builds(order) == [["build lab id-new"], ["wheels lab id-new"], ["build app1 id-new"]]


def test_a_lab_machine_that_fails_ends_a_release() -> None:
    statuses = {name: status() | {"platform": "Debian 13"} for name in TWO}
    assert play(LAB, statuses, fails("wheels"))[2:] == [["wheels lab"]]


def test_a_lab_machine_builds_for_one_platform() -> None:
    done = [
        Done(Task("status", name), Answer(status() | {"platform": one}))
        for name, one in zip(TWO, ("Debian 13", "Debian 12"), strict=True)
    ]
    with pytest.raises(SiteError, match=r"app1 is Debian 13, and app2 is Debian 12.* one kind"):
        answer_plan(LAB, done)
