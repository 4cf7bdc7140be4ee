"""What a project asks to be installed."""

from __future__ import annotations

import pytest

from espalier_machine.release.errors import ReleaseError
from espalier_machine.release.requirements import (
    Requirements,
    logical_lines,
    needed_extras,
    read_requirements,
    requirement_name,
)

from .fakes import BUILD


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("Django==5.2", "django"),
        ("django", "django"),
        ("psycopg[binary] >= 3 ; python_version > '3'", "psycopg"),
        ("Zope.Interface~=5", "zope-interface"),
        ("gunicorn @ https://example.com/g.tar.gz", "gunicorn"),
        ("https://example.com/a/Gunicorn-23.0.0-py3-none-any.whl", "gunicorn"),
        ("-e git+https://example.com/x.git#egg=My_Thing", "my-thing"),
        ("--index-url https://example.com/simple", ""),
        ("-r other.txt", ""),
        ("./libs/thing", ""),
    ],
)
def test_requirement_name(line, name):
    assert requirement_name(line) == name


def test_logical_lines_join_hashes_and_drop_comments():
    text = "a==1 \\\n    --hash=sha256:00 \\\n    --hash=sha256:11  # why\n\n# no\nb#egg=c\n"
    lines = logical_lines(text)
    assert [line.split() for line in lines] == [
        ["a==1", "--hash=sha256:00", "--hash=sha256:11"],
        ["b#egg=c"],
    ]


@pytest.mark.parametrize(
    ("names", "constrained", "needed"),
    [
        (set(), set(), ["gunicorn==27.0.1", "psycopg[binary]==3.3.9"]),
        ({"gunicorn"}, set(), ["psycopg[binary]==3.3.9"]),
        ({"psycopg2-binary"}, set(), ["gunicorn==27.0.1"]),
        ({"psycopg2", "gunicorn"}, set(), []),
        ({"psycopg-binary"}, set(), ["gunicorn==27.0.1"]),
        (set(), {"gunicorn"}, ["gunicorn", "psycopg[binary]==3.3.9"]),
    ],
)
def test_the_projects_own_pins_win_over_the_extras(names, constrained, needed):
    assert needed_extras(BUILD["extra_requirements"], names, constrained) == needed


def test_requirements_follow_includes_and_tell_constraints_apart(tmp_path):
    (tmp_path / "code/requirements").mkdir(parents=True)
    (tmp_path / "code/requirements/prod.txt").write_text("-r base.txt\n-c ../pins.txt\na\n")
    (tmp_path / "code/requirements/base.txt").write_text("b\n")
    (tmp_path / "code/pins.txt").write_text("gunicorn==22\n")
    wanted = {"kind": "requirements", "path": "code/requirements/prod.txt", "spec": ""}
    read = read_requirements({"requirements": wanted}, tmp_path)
    assert read.texts == {
        "code/requirements/prod.txt": "-r base.txt\n-c ../pins.txt\na\n",
        "code/requirements/base.txt": "b\n",
        "code/pins.txt": "gunicorn==22\n",
    }
    assert read.constraints == ("code/pins.txt",)


def test_the_old_name_of_the_index_is_the_new_one(tmp_path):
    (tmp_path / "all.txt").write_text("-i https://pypi.python.org/simple\nDjango\n")
    wanted = {"kind": "requirements", "path": "all.txt", "spec": ""}
    read = read_requirements({"requirements": wanted}, tmp_path)
    assert read.texts == {"all.txt": "-i https://pypi.org/simple\nDjango\n"}
    assert (tmp_path / "all.txt").read_text() == read.texts["all.txt"]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig"])
def test_what_windows_has_written_is_made_what_uv_reads(tmp_path, encoding):
    (tmp_path / "all.txt").write_bytes("Django\r\n".encode(encoding))
    read = read_requirements(
        {"requirements": {"kind": "requirements", "path": "all.txt", "spec": ""}}, tmp_path
    )
    assert read.texts == {"all.txt": "Django\n"}
    assert (tmp_path / "all.txt").read_bytes() == b"Django\n"


def test_a_missing_include_is_named(tmp_path):
    (tmp_path / "r.txt").write_text("-r gone.txt\n")
    wanted = {"kind": "requirements", "path": "r.txt", "spec": ""}
    with pytest.raises(ReleaseError) as caught:
        read_requirements({"requirements": wanted}, tmp_path)
    assert "r.txt names gone.txt, which is not in the archive" in caught.value.sentence


def requirements(text: str, kind="requirements"):
    return Requirements(kind, "r.txt", "", {"r.txt": text})


@pytest.mark.parametrize(
    ("text", "kind", "is_local"),
    [
        ("django\nfoo @ https://x/y.whl\n", "requirements", False),
        ("./libs/foo\n", "requirements", True),
        ("foo @ file:///x\n", "requirements", True),
        ('source = { editable = "." }\n', "uv.lock", False),
        ('source = { editable = "libs/foo" }\n', "uv.lock", True),
        ("foo = { path = '../foo' }\n", "pyproject", True),
    ],
)
def test_local_requirements_are_seen(text, kind, is_local):
    assert requirements(text, kind).is_local is is_local
