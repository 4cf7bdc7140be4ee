"""Requirements that are older than what the machine has."""

from __future__ import annotations

from pathlib import Path

import pytest

from espalier_machine.release.old_requirements import Workarounds, old_django

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
    workarounds = Workarounds(machine)
    assert not workarounds.find("fatal error: Python.h: No such file")
    assert workarounds.variables == {}
    assert workarounds.find(output)
    assert not workarounds.find(output), "it is tried once"
    (file,) = workarounds.variables.values()
    assert Path(file).read_text() == "setuptools<70\n"
    assert workarounds.find("AttributeError: cython_sources"), "another tool may be too new as well"
    assert Path(file).read_text() == "setuptools<70\ncython<3\n"


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


# What uv 0.11.6 printed of Misago's requirements with Python 3.13.
NO_WHEEL = """\
  No solution found when resolving dependencies:
    Because psycopg-binary==3.1.18 has no wheels with a matching Python ABI tag (e.g., `cp313`) and
    you require psycopg-binary==3.1.18, we can conclude that your requirements are unsatisfiable.
"""


def test_psycopg_is_compiled_where_its_binary_has_no_wheel(machine, capsys, tmp_path):
    uv = Path(machine.config.uv)
    (tmp_path / "said").write_text(NO_WHEEL)
    refuses = 'case "$*" in *install*) [ -n "$UV_OVERRIDE" ] && grep -q "< \'3\'" "$UV_OVERRIDE" ||'
    refuses += f' {{ cat "{tmp_path}/said" >&2; exit 1; }};; esac\n'
    uv.write_text(uv.read_text().replace("#!/bin/sh\n", f"#!/bin/sh\n{refuses}", 1))
    status, told = deploy(capsys, tmp_path, "r1", "1" * 16)
    assert status == 0, told
    ran = (tmp_path / "uv.log").read_text().splitlines()
    installs = [line for line in ran if line.startswith("pip install")]
    assert [line.endswith(" psycopg-c==3.1.18") for line in installs] == [True]


@pytest.mark.parametrize(
    ("module", "package"),
    [
        ("pkg_resources", "setuptools<81"),
        ("distutils.version", "setuptools<81"),
        ("cgi", "legacy-cgi==2.6.4"),
        ("imghdr", "standard-imghdr==3.13.0"),
    ],
)
def test_what_imports_a_module_that_is_no_more_gets_it(machine, capsys, tmp_path, module, package):
    lacks = f"ModuleNotFoundError: No module named '{module}'\n"
    (tmp_path / "settings.fail").write_text(lacks)
    uv = Path(machine.config.uv)
    brings = f'case "$*" in *"{package}"*) rm "{tmp_path}/settings.fail";; esac\n'
    uv.write_text(uv.read_text() + brings)
    status, told = deploy(capsys, tmp_path, "r1", "1" * 16)
    assert status == 0, told
    (tmp_path / "settings.fail").write_text(lacks)
    uv.write_text(uv.read_text().replace(brings, ""))
    status, told = deploy(capsys, tmp_path, "r2", "2" * 16)
    assert status == 1
    assert f"No module named '{module}'" in str(told)


@pytest.mark.parametrize(
    ("frozen", "words"),
    [
        ("asgiref==3.4.1\ndjango==3.2.7\n", "Django 3.2.7 gets no security fixes"),
        ("Django==4.1\n", "Django 4.1 gets"),
        ("django==4.2.27\ndjango-allauth==0.45.0\n", ""),
        ("django==10.0\n", ""),
        ("flask==3.1\n", ""),
    ],
)
def test_a_django_that_is_too_old_is_told(frozen, words):
    assert old_django(frozen).startswith(words)
    assert bool(old_django(frozen)) == bool(words)
