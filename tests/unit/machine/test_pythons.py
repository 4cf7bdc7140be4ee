"""Which Python a machine takes for a release, and what it remembers of that."""

from __future__ import annotations

import pytest

from espalier_machine.release import pythons
from espalier_machine.release.errors import ReleaseError

# Stands for uv: finds what is in pythons/, and brings 3.12 alone, from a mirror alone.
UV = """#!/bin/sh
dir="$UV_PYTHON_INSTALL_DIR"
[ "$UV_PYTHON_DOWNLOADS" = manual ] || exit 3
case "$*" in
"python find"*) for v; do :; done; [ -e "$dir/$v" ] && echo "$dir/$v" || exit 2;;
"python install"*) for v; do :; done
  if [ "$v $UV_PYTHON_INSTALL_MIRROR" != "3.12 file:///m" ]; then
    echo "error: cannot reach it" >&2; exit 1
  fi
  touch "$dir/$v";;
esac
"""
STATED = {"python": "3.12", "python_mirror": "file:///m"}
WISH = {"wish": "3.12", "weak": False, "allowed": None, "tolerated": [], "requires": ""}


@pytest.fixture
def on_debian_13(machine, monkeypatch, tmp_path):
    machine.ensure_directories()
    (tmp_path / "uv").write_text(UV)
    monkeypatch.setattr(pythons, "own_python", lambda machine: "3.13")
    return machine


def test_nothing_asked_is_the_systems_own(on_debian_13):
    python = pythons.choose_python(on_debian_13, {"python": ""})
    assert (python.version, python.path) == ("3.13", on_debian_13.config.python)
    assert python.record() == {"python": "3.13"}


def test_one_that_uv_brings_from_a_mirror(on_debian_13):
    python = pythons.choose_python(on_debian_13, STATED)
    assert python.path == str(on_debian_13.pythons / "3.12")
    assert python.record() == {"python": "3.12", "own_python": "3.13"}
    # It is there now, and needs no mirror any more.
    assert pythons.choose_python(on_debian_13, {"python": "3.12"}).version == "3.12"


def test_a_stated_one_that_cannot_be_had_is_refused_with_uvs_reason(on_debian_13):
    with pytest.raises(ReleaseError) as caught:
        pythons.choose_python(on_debian_13, {"python": "3.12"})
    assert "has Python 3.13, the project needs 3.12 (`python:` in project.yml)" in (
        caught.value.sentence
    )
    assert "error: cannot reach it" in caught.value.sentence


def test_a_wish_that_cannot_be_had_is_told(on_debian_13):
    python = pythons.choose_python(on_debian_13, {"python": "", "pythons": WISH})
    assert python.version == "3.13"
    [said] = on_debian_13.progress.notes
    assert said.startswith("Python 3.12 is not here: 3.13 is taken")


def test_the_nearest_that_is_allowed_is_taken(on_debian_13):
    allowed = WISH | {"wish": "", "allowed": ["3.10", "3.11", "3.12"], "requires": "<3.13 (x)"}
    build = STATED | {"python": "", "pythons": allowed}
    assert pythons.choose_python(on_debian_13, build).version == "3.12"
    with pytest.raises(ReleaseError, match=r"needs 3\.11 or 3\.10 \(<3\.13 \(x\)\)"):
        only = allowed | {"allowed": ["3.10", "3.11"]}
        pythons.choose_python(on_debian_13, build | {"pythons": only})


def test_a_release_is_built_anew_when_the_systems_python_is_another_one():
    assert pythons.built_on({"python": "3.12", "own_python": "3.13"}) == "3.13"
    assert pythons.built_on({"python": "3.11"}) == "3.11"  # also in a release of an older kit
