"""Requirements that only an older setuptools builds."""

from __future__ import annotations

from pathlib import Path

import pytest

from espalier_machine.release import old_setuptools

from .fakes import deploy

# What uv 0.13.9 printed of django-allauth 0.45.0.
FAILED = """\
  x Failed to build `django-allauth==0.45.0`
    ImportError: cannot import name 'convert_path' from 'setuptools' (/x/setuptools/__init__.py)
"""


@pytest.mark.parametrize(
    "output",
    [FAILED, "ModuleNotFoundError: No module named 'pkg_resources'", "use_2to3 is invalid"],
)
def test_what_asks_for_an_older_one_gets_it(machine, output):
    (file,) = old_setuptools.constrained(machine, output).values()
    assert Path(file).read_text() == "setuptools<70\n"
    assert old_setuptools.constrained(machine, "fatal error: Python.h: No such file") == {}


def test_an_installation_is_tried_again_with_it_once(machine, capsys, tmp_path):
    uv = Path(machine.config.uv)
    refuses = 'case "$*" in *install*) [ -n "$UV_BUILD_CONSTRAINT" ] || {'
    refuses += f' cat "{tmp_path}/said" >&2; exit 1; }};; esac\n'
    (tmp_path / "said").write_text(FAILED)
    uv.write_text(uv.read_text().replace("#!/bin/sh\n", f"#!/bin/sh\n{refuses}", 1))
    status, told = deploy(capsys, tmp_path, "r1", "1" * 16)
    assert status == 0, told
    uv.write_text(uv.read_text().replace('[ -n "$UV_BUILD_CONSTRAINT" ]', "false"))
    status, told = deploy(capsys, tmp_path, "r2", "2" * 16, extra_requirements=["another==1"])
    assert status == 1
    assert "django-allauth==0.45.0 has no wheel" in str(told)
