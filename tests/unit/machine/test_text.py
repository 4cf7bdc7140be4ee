"""Words for people."""

from __future__ import annotations

import pytest

from espalier_machine.common.text import counted, shown_size


@pytest.mark.parametrize(
    ("count", "shown"),
    [
        (0, "0 MB"),
        (31_400_000, "31 MB"),
        (999_000_000, "999 MB"),
        (10**9, "1.0 GB"),
        (76_662_000_000, "76.7 GB"),
    ],
)
def test_size_for_a_person(count: int, shown: str) -> None:
    assert shown_size(count) == shown


def test_one_of_something_is_no_plural() -> None:
    assert [counted(number, "file") for number in (0, 1, 2)] == ["0 files", "1 file", "2 files"]
