"""Space on the disk."""

from __future__ import annotations

import pytest

from espalier_machine.release.disk import require_space
from espalier_machine.release.errors import ReleaseError


def test_a_full_disk_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(ReleaseError) as caught:
        require_space(tmp_path / "not/yet", 1 << 60)
    assert caught.value.step == "space"
    assert "MB are needed" in caught.value.sentence
