"""Which requirements are found: lock files, requirements files of any naming, metadata, groups."""

from __future__ import annotations

import json

import pytest

from espalier.project.archive.record import record
from espalier.project.detection.detect import detect
from espalier.project.exported import export
from espalier.project.schema import check
from tests.unit.project.samples import PLAIN, detected, fetched, undetected, write

LOCK = '[[package]]\nname = "django"\n'
PYPROJECT = '[project]\nname = "x"\ndependencies = ["django"]\n'
POETRY = '[tool.poetry]\nname = "x"\n[tool.poetry.dependencies]\npython = "^3.11"\ndjango = "^5"\n'
PIPFILE_LOCK = json.dumps({"_meta": {}, "default": {"django": {}}, "develop": {}, "live": {}})


def found(tmp_path, files, **values):
    result = detected(tmp_path, {"requirements.txt": None, **files}, **values)
    return result.requirements.value, result.requirements_kind


@pytest.mark.parametrize(
    ("files", "value", "kind"),
    [
        ({"poetry.lock": LOCK, "pyproject.toml": POETRY}, "poetry.lock", "poetry.lock"),
        # A lock goes before ranges, of a pyproject.toml or of a requirements file.
        ({"poetry.lock": LOCK, "pyproject.toml": PYPROJECT}, "poetry.lock", "poetry.lock"),
        ({"pdm.lock": LOCK, "pyproject.toml": PYPROJECT}, "pdm.lock", "pdm.lock"),
        ({"pylock.toml": LOCK, "pyproject.toml": PYPROJECT}, "pylock.toml", "pylock.toml"),
        ({"Pipfile.lock": PIPFILE_LOCK, "Pipfile": ""}, "Pipfile.lock", "Pipfile.lock"),
        (
            {"Pipfile.lock": PIPFILE_LOCK, "Pipfile": "", "requirements.txt": "django>=5\n"},
            "Pipfile.lock",
            "Pipfile.lock",
        ),
        # One that pins Django is as good as a lock: sites that have it keep it.
        (
            {"poetry.lock": LOCK, "pyproject.toml": POETRY, "requirements.txt": "django==5.2\n"},
            "requirements.txt",
            "requirements",
        ),
        # But for what the project's own deployment installs.
        (
            {
                "poetry.lock": LOCK,
                "pyproject.toml": POETRY,
                "requirements.txt": "django==5.2\n",
                "Dockerfile": "FROM x\nRUN poetry install --no-root\n",
            },
            "poetry.lock",
            "poetry.lock",
        ),
        # A lock of tools alone is none of the site's.
        ({"poetry.lock": "", "pyproject.toml": PYPROJECT}, "pyproject.toml", "pyproject"),
        (
            {"setup.cfg": "[options]\ninstall_requires =\n  django\n", "pyproject.toml": ""},
            "setup.cfg",
            "metadata",
        ),
        ({"setup.py": "setup(install_requires=['django'])\n"}, "setup.py", "metadata"),
        # Poetry's own table without a lock: uv asks Poetry's builder, as for anything dynamic.
        (
            {
                "pyproject.toml": POETRY
                + '[build-system]\nbuild-backend = "poetry.core.masonry.api"\n'
            },
            "pyproject.toml",
            "metadata",
        ),
        (
            {"pyproject.toml": '[project]\nname = "x"\ndynamic = ["dependencies"]\n'},
            "pyproject.toml",
            "metadata",
        ),
    ],
)
def test_locks_and_metadata(tmp_path, files, value, kind):
    assert found(tmp_path, files) == (value, kind)


@pytest.mark.parametrize(
    ("names", "value"),
    [
        (["requirements/deploy.txt", "requirements/base.txt"], "requirements/deploy.txt"),
        (["requirements_prod.txt", "requirements_dev.txt"], "requirements_prod.txt"),
        (["reqs/production.txt", "reqs/tests.txt"], "reqs/production.txt"),
        (["requirements/common.txt", "requirements/local.txt"], "requirements/common.txt"),
        (["requirements.in", "requirements-dev.in"], "requirements.in"),
        (["requirements/x.in", "requirements/x.txt"], "requirements/x.txt"),
        # Better one for developers than none: runserver works with it.
        (["requirements/dev.txt", "docs/requirements.txt"], "requirements/dev.txt"),
    ],
)
def test_requirements_files_of_any_naming(tmp_path, names, value):
    files = dict.fromkeys(names, "Django>=5\n")
    assert found(tmp_path, files) == (value, "requirements")


def test_what_the_deployment_installs_goes_first(tmp_path):
    files = {
        "requirements.txt": "-r requirements/base.txt\n",
        "requirements/base.txt": "django\n",
        "requirements/live.txt": "-r base.txt\ngunicorn\n",
        "requirements/test.txt": "-r base.txt\npytest\n",
        "docker/Dockerfile": (
            "# RUN pip install -r requirements/base.txt\nCOPY requirements /code/requirements\n"
            "RUN pip install -r /code/requirements/test.txt\n"
            "RUN pip install --no-cache \\\n  -r /code/requirements/live.txt\n"
        ),
    }
    result = detected(tmp_path, files)
    assert result.requirements.value == "requirements/live.txt"
    assert result.requirements.where == "installed by docker/Dockerfile"


def together(tmp_path, files):
    result = detected(tmp_path, {"requirements.txt": None, **files})
    return [result.requirements.value, *result.requirements.more]


def test_all_that_a_deployment_file_installs_belongs_to_the_project(tmp_path):
    files = {
        "requirements/base.txt": "-r more.txt\n",
        "requirements/more.txt": "django\n",
        "requirements/live.txt": "gunicorn\n",
        "requirements/dev.txt": "pytest\n",
        "Dockerfile": (
            "RUN pip install -r requirements/base.txt -r requirements/more.txt\n"
            "RUN pip install -r requirements/live.txt -r requirements/dev.txt\n"
        ),
    }
    assert together(tmp_path / "a", files) == ["requirements/base.txt", "requirements/live.txt"]
    result = detected(tmp_path / "b", {"requirements.txt": None, **files})
    note = "requirements requirements/base.txt, requirements/live.txt (installed by Dockerfile)"
    assert note in result.notes
    assert result.written == "requirements/base.txt.all.txt"
    source = fetched(tmp_path / "b" / "site")[1]
    text = export(source, result, tmp_path / "cache", "project.yml")
    assert text == "-r base.txt\n-r live.txt\n"
    built = record(check({"directory": "x", "name": "orchard"}), source, result, {})
    path = "code/requirements/base.txt.all.txt"
    assert built["requirements"] == {"kind": "requirements", "path": path, "spec": ""}


@pytest.mark.parametrize("line", ["", "RUN pip install -r reqs/mariadb.txt -r reqs/postgres.txt\n"])
def test_of_several_databases_it_is_postgresql(tmp_path, line):
    files = {
        "reqs/base.txt": "django\n",
        "reqs/mariadb.txt": "-r base.txt\nmysqlclient\n",
        "reqs/postgres.txt": "-r base.txt\npsycopg\n",
        "Dockerfile": line,
    }
    assert together(tmp_path / "a", files) == ["reqs/postgres.txt"]
    files["reqs/postgres.txt"] = None
    expected = ["reqs/mariadb.txt"] if line else ["reqs/base.txt"]
    assert together(tmp_path / "b", files) == expected


OWN = "https://pypi.example.com/simple"
LEGACY = '[package.source]\ntype = "legacy"\nurl = "{}"\n[[package]]\nname = "mine"\n'
PIPENV_SOURCES = {
    "_meta": {"sources": [{"name": "p", "url": "https://pypi.org/simple"},
                          {"name": "own", "url": "https://${USER}:${PASS}@pypi.example.com/simple"}]},
    "default": {"django": {"index": "p"}, "mine": {"index": "own"}},
}  # fmt: skip
REGISTRY = '[[package]]\nname = "{}"\nsource = {{ registry = "{}" }}\n'
PDM_SOURCE = '[[tool.pdm.source]]\nname = "{}"\nurl = "https://pypi.example.com/simple/"\n'


@pytest.mark.parametrize(
    ("files", "asked"),
    [
        ({"poetry.lock": LOCK + LEGACY.format(OWN), "pyproject.toml": POETRY}, [OWN]),
        ({"Pipfile.lock": json.dumps(PIPENV_SOURCES), "Pipfile": ""}, [OWN]),
        ({"pdm.lock": LOCK, "pyproject.toml": PYPROJECT + PDM_SOURCE.format("own")}, [OWN]),
        ({"pdm.lock": LOCK, "pyproject.toml": PYPROJECT + PDM_SOURCE.format("pypi")}, []),
        (
            {
                "uv.lock": REGISTRY.format("django", "https://pypi.org/simple")
                + REGISTRY.format("torch", "https://u:p@pypi.example.com/simple/")
                + '[[package]]\nname = "x"\nsource = { virtual = "." }\n'
                + 'dependencies = [{ name = "django", extra = ["fast"] }]\n'
                + REGISTRY.format("django", "https://pypi.org/simple")
                + '[package.optional-dependencies]\nfast = [{ name = "torch" }]\n',
                "pyproject.toml": PYPROJECT,
            },
            [OWN],
        ),
        # A mirror of the usual index, from which everything comes, is not needed.
        ({"uv.lock": REGISTRY.format("django", OWN), "pyproject.toml": PYPROJECT}, []),
        ({"uv.lock": LOCK, "pyproject.toml": PYPROJECT}, []),
        ({"requirements.txt": f"--index-url {OWN}\ndjango\n"}, []),  # which uv reads itself
    ],
)
def test_indexes_of_a_lock_that_have_what_the_usual_one_lacks(tmp_path, files, asked):
    result = detected(tmp_path / "a", {"requirements.txt": None, **files})
    assert list(result.indexes.asked) == asked
    told = [line for line in result.notes if OWN in line]
    mirror = "example" in str(files) and not asked and "requirements.txt" not in files
    assert [line.split()[0] for line in told] == ["index"] * len(asked) + ["note"] * mirror
    stated = detected(tmp_path / "b", {"requirements.txt": None, **files}, index=[f"{OWN}/"])
    assert stated.indexes.asked == ()


def test_an_index_of_a_group_that_is_named_is_asked(tmp_path):
    files = {
        "uv.lock": REGISTRY.format("django", "https://pypi.org/simple")
        + REGISTRY.format("torch", OWN)
        + '[[package]]\nname = "x"\nsource = { virtual = "." }\n'
        + 'dependencies = [{ name = "django" }]\n'
        + '[package.optional-dependencies]\nfast = [{ name = "torch" }]\n'
        + '[package.dev-dependencies]\ngpu = [{ name = "torch" }]\n',
        "pyproject.toml": PYPROJECT + '[dependency-groups]\ngpu = ["torch"]\n',
        "requirements.txt": None,
    }
    assert detected(tmp_path / "a", files).indexes.asked == ()
    assert detected(tmp_path / "b", files, groups=["gpu"]).indexes.asked == (OWN,)


def test_a_pyproject_that_has_groups_alone(tmp_path):
    text = '[dependency-groups]\nmain = ["Django==5.2"]\ndev = [{include-group = "main"}, "ruff"]\n'
    files = {"pyproject.toml": text, "requirements.txt": None}
    found = detected(tmp_path / "a", files)
    assert (found.requirements.value, found.groups.groups) == ("pyproject.toml", ("main",))
    assert "groups       main (nothing else has Django)" in found.notes
    assert detected(tmp_path / "b", files, groups=["dev"]).groups.groups == ("dev",)
    files["pyproject.toml"] = '[dependency-groups]\ndev = ["ruff"]\n'
    assert "the project does not say what it needs" in undetected(tmp_path / "c", files)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig"])
def test_what_windows_has_written_is_read(tmp_path, encoding):
    (write(tmp_path / "site", PLAIN) / "requirements.txt").write_bytes(
        "Django==5.2\r\n".encode(encoding)
    )
    checked, source = fetched(tmp_path / "site")
    assert source.read("requirements.txt") == "Django==5.2\n"
    assert detect(checked, source).requirements.value == "requirements.txt"


@pytest.mark.parametrize(
    ("files", "where"),
    [
        ({}, "the only one with Django"),
        (
            {"Dockerfile": "RUN pip install -r /app/deploy/requirements.txt\n"},
            "installed by Docker",
        ),
    ],
)
def test_a_requirements_file_in_any_directory(tmp_path, files, where):
    more = {"deploy/requirements.txt": "django==5.2\n", "docs/requirements.txt": "django\n"}
    more["bots/requirements.txt"] = "requests\n"
    found = detected(tmp_path, {"requirements.txt": None, **more, **files}).requirements
    assert found.value == "deploy/requirements.txt"
    assert found.where.startswith(where)


def test_groups(tmp_path):
    files = {
        "poetry.lock": LOCK,
        "pyproject.toml": POETRY
        + "[tool.poetry.group.prod.dependencies]\n[tool.poetry.group.dev.dependencies]\n"
        + '[tool.poetry.extras]\nPost_gres = ["psycopg"]\n',
        "requirements.txt": None,
    }
    plain = detected(tmp_path / "a", files)
    assert plain.groups.names == ("prod",)
    assert "groups       prod (they are there for production)" in plain.notes
    stated = detected(tmp_path / "b", files, groups=["post-gres", "dev"])
    assert (stated.groups.extras, stated.groups.groups) == (("Post_gres",), ("dev",))
    assert detected(tmp_path / "c", files, groups=[]).groups.names == ()
    said = undetected(tmp_path / "d", files, groups=["postgres"])
    assert 'no group or extra "postgres": there is `prod`, `dev`, `Post_gres`' in said
    said = undetected(tmp_path / "e", {}, groups=["x"])
    assert "project.groups: requirements.txt has no groups" in said
    pipenv = {"Pipfile.lock": PIPFILE_LOCK, "Pipfile": "", "requirements.txt": None}
    assert detected(tmp_path / "f", pipenv, groups=["live"]).groups.groups == ("live",)
    cfg = "[options]\ninstall_requires =\n  django\n[options.extras_require]\npg = psycopg\n"
    files = {"setup.cfg": cfg, "requirements.txt": None}
    assert detected(tmp_path / "g", files, groups=["pg"]).groups.extras == ("pg",)


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        ({"pyproject.toml": POETRY}, "no poetry.lock that locks Django is beside it: run `poetry"),
        (
            {
                "pyproject.toml": POETRY.replace('name = "x"', "package-mode = false")
                + '[build-system]\nbuild-backend = "poetry.core.masonry.api"\n'
            },
            "no poetry.lock that locks Django is beside it",
        ),
        ({"Pipfile": ""}, "Pipfile has no Pipfile.lock that locks Django beside it: run `pipenv"),
        ({"Pipfile": "", "Pipfile.lock": "{"}, "Pipfile.lock is not valid JSON"),
    ],
)
def test_refusals(tmp_path, files, sentence):
    assert sentence in undetected(tmp_path, {"requirements.txt": None, **files})


def test_a_pipfile_is_no_lock(tmp_path):
    files = {"Pipfile": "", "requirements.txt": None}
    said = undetected(tmp_path, files, requirements="Pipfile")
    assert "Pipfile locks nothing: write Pipfile.lock" in said
