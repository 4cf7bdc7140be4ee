"""What may be loaded."""

from __future__ import annotations

import pytest

from espalier.inventory.site import SiteError
from espalier.load.profile import Ask, Profile
from espalier.load.safety import Facts, facts_of, is_copy, permit

READS = Profile(name="reads", requests=[Ask(path="/")])
WRITES = Profile(name="writes", requests=[Ask(path="/note/", method="POST")])
LINKS = Profile(name="links", requests=[Ask(path="/")], source="links")
ENDLESS = float("inf")


@pytest.mark.parametrize(
    ("name", "facts", "copy"),
    [
        ("lab", Facts(), True),
        ("anything", Facts(lab=True), True),
        ("anything", Facts(quiet=True), True),
        ("staging", Facts(), True),
        ("shop-test", Facts(), True),
        ("production", Facts(), False),
        ("shop", Facts(), False),
        ("latest", Facts(), False),
        ("contest", Facts(), False),
        ("test-production", Facts(), False),
    ],
)
def test_an_environment_is_production_unless_something_says_otherwise(
    name: str, facts: Facts, copy: bool
) -> None:
    assert is_copy(name, facts) is copy


def test_facts_hold_only_where_they_hold_for_every_machine() -> None:
    made = {"lab": {"name": "x"}, "ansible_host": "198.18.0.2", "project": {"quiet": True}}

    assert facts_of({"a": made, "b": made}) == Facts(lab=True, quiet=True)
    # Somebody copied the lab's hosts.yml for machines of a provider.
    assert facts_of({"a": {**made, "ansible_host": "203.0.113.5"}}) == Facts(quiet=True)
    assert facts_of({"a": {**made, "ansible_host": "vps1.example"}}) == Facts(quiet=True)
    assert facts_of({"a": made, "b": {}}) == Facts()
    assert facts_of({}) == Facts()


def test_a_copy_may_be_loaded_with_anything() -> None:
    permit("staging", Facts(), WRITES, ENDLESS, None)
    permit("lab", Facts(), None, ENDLESS, None)


def test_production_may_be_read_far_below_its_bound() -> None:
    permit("production", Facts(), READS, 70, 100)


@pytest.mark.parametrize(
    ("profile", "rate", "bound", "sentence"),
    [
        (None, 1, 100, "only requests from a list of your own"),
        (LINKS, 1, 100, "only requests from a list of your own"),
        (WRITES, 1, 100, "has a POST of /note/"),
        (READS, 1, None, "espalier measure -e production"),
        (READS, 71, 100, "at most 70 requests/s"),
        (READS, ENDLESS, 100, "steps without an end are more"),
    ],
)
def test_production_is_refused_anything_else(
    profile: Profile | None, rate: float, bound: float | None, sentence: str
) -> None:
    with pytest.raises(SiteError) as refused:
        permit("production", Facts(), profile, rate, bound)

    assert sentence in str(refused.value)
    assert refused.value.status == 2
