"""What a new release's settings say of themselves: the script runs in a process with Django."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from espalier_machine.common import templates


@pytest.mark.parametrize(
    ("static_root", "shipped"),
    [
        ("BASE / 'collected'", "collected"),
        ("BASE", ""),
        ("BASE / 'shop'", ""),
        ("'/var/www/static'", ""),
        ("None", ""),
    ],
)
def test_collected_files_are_taken_from_the_tree_and_never_its_code(tmp_path, static_root, shipped):
    package = tmp_path / "code/shop"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "settings.py").write_text(
        "from pathlib import Path\n"
        "BASE = Path(__file__).parent.parent\n"
        f"STATIC_ROOT = {static_root}\n"
    )
    script = templates.read("espalier_machine.release", "settings_check.py")
    names = {"DJANGO_SETTINGS_MODULE": "shop.settings", "ESPALIER_SETTINGS": "shop.settings"}
    done = subprocess.run(
        [sys.executable, "-c", script, str(package.parent)],
        cwd=package.parent,
        env=os.environ | names | {"PYTHONPATH": str(package.parent)},
        capture_output=True,
        text=True,
        check=True,
    )
    found = json.loads(done.stdout.splitlines()[-1])["shipped"]
    assert found == (f"{package.parent / shipped}/" if shipped else "")
