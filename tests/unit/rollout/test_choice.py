"""Which release a rollback means."""

from __future__ import annotations

from typing import Any

import pytest

from espalier.inventory.site import SiteError
from espalier.rollout.choice import choose_previous, wanted_identity

ONE = ["app1"]
TWO = ["app1", "app2"]


def rows(*identities: str, good: str = "") -> list[dict[str, Any]]:
    return [
        {"id": f"id-{one}", "identity": one, "good": one in (good or one)} for one in identities
    ]


def test_rollback_goes_to_the_newest_good_release_before_the_live_one() -> None:
    assert wanted_identity({"app1": rows("c", "b", "a")}, {"app1": "b"}, ONE, "") == "a"
    assert wanted_identity({"app1": rows("c", "b", "a")}, {"app1": "c"}, ONE, "") == "b"
    never_live = {"app1": rows("c", "b", "a", good="ac")}
    assert wanted_identity(never_live, {"app1": "c"}, ONE, "") == "a"


def test_rollback_goes_where_the_first_machine_would_go() -> None:
    kept = {"app1": rows("c", "b", "a"), "app2": rows("c", "b", "a")}
    live = {"app1": "c", "app2": "c"}
    assert wanted_identity(kept, live, TWO, "", previous="id-a") == "a"
    with pytest.raises(SiteError, match="No older release was ever live here"):
        wanted_identity(kept, live, TWO, "", previous="")
    statuses = {
        name: {"live": {"identity": "c"}, "releases": kept[name], "previous": previous}
        for name, previous in (("app1", "id-a"), ("app2", "id-b"))
    }
    assert choose_previous(statuses, TWO, "") == {"app1": "id-a", "app2": "id-a"}
    assert choose_previous(statuses, TWO, "b") == {"app1": "id-b", "app2": "id-b"}


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
    with pytest.raises(SiteError, match=said):
        wanted_identity({"app1": rows("b", "a")}, {"app1": live}, ONE, wanted)
