"""The profiles beside the example projects."""

from __future__ import annotations

import pytest

from espalier.load.profile import read_profile
from espalier.paths import KIT


@pytest.mark.parametrize(("project", "written"), [("orchard", 0.03), ("apiary", 0.10)])
def test_an_example_has_a_profile_with_a_few_writes(project: str, written: float) -> None:
    profile = read_profile(KIT / "examples" / project / "visitors.yml")

    total = sum(ask.weight for ask in profile.requests)
    assert sum(ask.weight for ask in profile.writes) / total == pytest.approx(written)
