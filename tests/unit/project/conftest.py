"""What the tests of the project share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.project.samples import write


@pytest.fixture(scope="session")
def overlay(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("overlay")
    files = {"__init__.py": "", "settings.py": "X = 1\n", "tests/test_x.py": "", "x.txt": ""}
    write(root / "espalier_overlay", files)
    return root
