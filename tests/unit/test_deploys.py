"""What the pyinfra front decides by itself; what machines do is tested where they are."""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path
from typing import Any

import gevent
import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from deploys import rollout  # noqa: E402
from deploys.described import DeployError, read  # noqa: E402
from deploys.rollout import Failure, Rollout, batches, wanted_identity  # noqa: E402


@pytest.mark.parametrize(
    ("count", "sizes", "expected"),
    [
        (1, ["1", "10%", "40%", "100%"], [1]),
        (2, ["1", "10%", "40%", "100%"], [1, 1]),
        (10, ["1", "10%", "40%", "100%"], [1, 3, 6]),
        (20, ["1", "10%", "40%", "100%"], [1, 1, 6, 12]),
        (5, ["100%"], [5]),
        (5, ["2"], [2, 3]),
        (3, ["50%", "1"], [1, 1, 1]),
    ],
)
def test_batches_follow_the_sizes_and_leave_nobody_out(
    count: int, sizes: list[str], expected: list[int]
) -> None:
    names = [f"app{number}" for number in range(count)]
    cut = batches(names, sizes)
    assert [len(batch) for batch in cut] == expected
    assert [name for batch in cut for name in batch] == names


@pytest.mark.parametrize("size", ["0", "110%", "half", "-1", ""])
def test_size_of_a_batch_is_refused_with_an_example(size: str) -> None:
    with pytest.raises(DeployError, match="such as 1,10%,40%,100%") as refused:
        batches(["app1"], [size])
    assert refused.value.status == 2


def rows(*identities: str, good: str = "") -> list[dict[str, Any]]:
    return [
        {"id": f"id-{one}", "identity": one, "good": one in (good or one)} for one in identities
    ]


ONE = ["app1"]
TWO = ["app1", "app2"]


def test_rollback_goes_to_the_newest_good_release_before_the_live_one() -> None:
    assert wanted_identity({"app1": rows("c", "b", "a")}, {"app1": "b"}, ONE, "") == "a"
    assert wanted_identity({"app1": rows("c", "b", "a")}, {"app1": "c"}, ONE, "") == "b"
    never_live = {"app1": rows("c", "b", "a", good="ac")}
    assert wanted_identity(never_live, {"app1": "c"}, ONE, "") == "a"


def test_rollback_of_a_release_that_was_cut_off_undoes_it() -> None:
    both = {"app1": rows("c", "b", "a"), "app2": rows("c", "b", "a")}
    assert wanted_identity(both, {"app1": "c", "app2": "b"}, TWO, "") == "b"
    assert wanted_identity(both, {"app1": "b", "app2": "c"}, TWO, "") == "b"


def test_rollback_takes_an_id_of_any_machine_or_an_identity() -> None:
    both = {"app1": rows("b", "a"), "app2": rows("b", "a")}
    for wanted in ("id-a", "a"):
        assert wanted_identity(both, {"app1": "b", "app2": "b"}, TWO, wanted) == "a"


@pytest.mark.parametrize(
    ("live", "wanted", "said"),
    [
        ("b", "id-x", "No machine has a release id-x. There are: id-b, id-a."),
        ("a", "", "No older release was ever live here"),
        ("", "", "No release is live"),
    ],
)
def test_rollback_to_nothing_is_refused(live: str, wanted: str, said: str) -> None:
    with pytest.raises(DeployError, match=said):
        wanted_identity({"app1": rows("b", "a")}, {"app1": live}, ONE, wanted)


@pytest.mark.parametrize(
    ("changes", "action", "status"),
    [
        ({}, "unchanged", 0),
        ({"switched": ["vps1"]}, "released", 0),
        ({"switched": ["vps1"], "warning": "the hook failed"}, "released", 1),
        ({"switched": ["vps1"], "failure": Failure("vps1", "switch", "no")}, "unchanged", 1),
        ({"failure": Failure("vps1", "lock", "busy", status=3)}, "unchanged", 3),
    ],
)
def test_exit_status_tells_how_it_went(changes: dict[str, Any], action: str, status: int) -> None:
    rollout = Rollout(read(ROOT / "inventories/lab"), **changes)
    assert (rollout.action, rollout.status_of_exit) == (action, status)
    assert rollout.result()["ok"] == ("failure" not in changes)


def test_machines_that_pyinfra_asks_at_once_have_one_rollout(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = []
    monkeypatch.setattr(rollout, "read", lambda path: gevent.sleep(0.01) or read(path))
    monkeypatch.setattr(rollout, "compose", found.append)
    monkeypatch.setattr(rollout.python, "call", lambda **arguments: None)
    monkeypatch.setattr(rollout, "_shared", cache(rollout._shared.__wrapped__))
    asked = [
        gevent.spawn(rollout.deploy, ROOT / "inventories/lab", rollout.Options()) for _ in range(2)
    ]
    gevent.joinall(asked, raise_error=True)
    assert len(found) == 2
    assert found[0] is found[1]
