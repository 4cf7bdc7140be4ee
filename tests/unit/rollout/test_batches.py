"""How machines are cut into batches."""

from __future__ import annotations

import pytest

from espalier.inventory.site import SiteError
from espalier.rollout.batches import batches


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
    with pytest.raises(SiteError, match="such as 1,10%,40%,100%") as refused:
        batches(["app1"], [size])
    assert refused.value.status == 2
