"""Memory and cores of a machine, and how its services share them."""

from __future__ import annotations

import pytest

from espalier.wiring.machine import (
    cores,
    disk_mb,
    machines_with_duty,
    memory_share_mb,
    redis_memory_mb,
)


@pytest.mark.parametrize(("count", "whole"), [(2, 2), (1.5, 2), (0.25, 1), ("4", 4)])
def test_part_of_a_core_counts_as_one(count: float | str, whole: int) -> None:
    assert cores(count) == whole


def test_postgresql_and_django_on_one_machine_share_its_memory() -> None:
    assert memory_share_mb(1025, ["web", "app", "db"]) == 512
    assert memory_share_mb(1025, ["web", "app"]) == 1025
    assert memory_share_mb(1025, ["db"]) == 1025


def test_redis_takes_an_eighth_beside_others_and_most_of_its_own_machine() -> None:
    assert redis_memory_mb(1024, ["nginx", "django", "redis", "queue"]) == 128
    assert redis_memory_mb(1000, ["redis", "queue"]) == 750
    assert redis_memory_mb(1024, ["nginx", "django"]) == 0


def test_disk_is_that_of_the_root_file_system() -> None:
    other = {"mount": "/boot", "size_total": 1024**3}
    assert disk_mb([other, {"mount": "/", "size_total": 40 * 1024**3}]) == 40960
    assert disk_mb([other]) == 20480


def test_machines_are_found_by_duty() -> None:
    machines = {"vps1": {"duties": ["web", "app"]}, "db1": {"duties": ["db"]}}
    assert machines_with_duty(machines, "app") == ["vps1"]
    assert machines_with_duty(machines, "cache") == []
