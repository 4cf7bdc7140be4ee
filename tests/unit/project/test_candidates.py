"""Which settings a project means for a server, where it has several."""

from __future__ import annotations

import pytest

from tests.unit.project.samples import MANAGE, SETTINGS, WSGI, detected

STAR = "from .base import *\n"
PACKAGE = {
    "mysite/settings.py": None,
    "mysite/settings/__init__.py": "",
    "mysite/settings/base.py": SETTINGS,
    "mysite/settings/dev.py": STAR,
    "mysite/settings/production.py": STAR,
    "mysite/settings/test.py": STAR,
}


def naming(module: str, text: str) -> str:
    return text.replace("mysite.settings", f"mysite.settings.{module}")


DEV = PACKAGE | {"manage.py": naming("dev", MANAGE)}
NAMED = 'import os\nos.environ.setdefault("DJANGO_SETTINGS_MODULE", "mysite.settings")\n' + WSGI


def chosen(tmp_path, files: dict[str, str | None], **values: object):
    found = detected(tmp_path, files, **values)
    modules = [one.module.rpartition(".")[2] for one in found.candidates]
    return found.settings.value.rpartition(".")[2], found.settings.where, modules


def test_one_that_is_named_has_no_rival(tmp_path):
    files = PACKAGE | {"manage.py": naming("base", MANAGE)}
    assert chosen(tmp_path, files) == ("base", "manage.py line 5", [])


def test_none_is_named(tmp_path):
    name, where, modules = chosen(tmp_path, PACKAGE | {"manage.py": "x = 1"})
    assert (name, where) == ("production", "the name says production")
    assert modules == ["production", "base", "dev"]


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("Dockerfile", "ENV DJANGO_SETTINGS_MODULE=mysite.settings.production\n"),
        ("compose/live/Dockerfile", 'ENV DJANGO_SETTINGS_MODULE "mysite.settings.production"'),
        ("Procfile", "web: DJANGO_SETTINGS_MODULE=mysite.settings.production gunicorn x\n"),
        ("docker-compose.yml", "  - DJANGO_SETTINGS_MODULE=mysite.settings.production\n"),
        ("compose.yaml", "  DJANGO_SETTINGS_MODULE: mysite.settings.production\n"),
        ("app.json",
         '{"env": {"DJANGO_SETTINGS_MODULE": {"value": "mysite.settings.production"}}}'),
        ("nixpacks.toml", 'DJANGO_SETTINGS_MODULE = "mysite.settings.production"\n'),
        ("entrypoint.sh", "python manage.py migrate --settings=mysite.settings.production\n"),
        ("mysite/wsgi.py", naming("production", NAMED)),
    ],
)  # fmt: skip
def test_what_deploys_the_project_knows_better_than_manage(tmp_path, file, text):
    name, where, modules = chosen(tmp_path, DEV | {file: text})
    assert (name, where.split(" line")[0]) == ("production", file)
    assert modules == ["production", "dev"]


def test_a_file_that_names_what_is_not_there_counts_for_nothing(tmp_path):
    files = PACKAGE | {"manage.py": naming("base", MANAGE)}
    files["Dockerfile"] = "ENV DJANGO_SETTINGS_MODULE=shop.settings.production\n"
    assert chosen(tmp_path, files)[0] == "base"


def test_tests_name_their_own(tmp_path):
    files = DEV | {"tox.ini": "DJANGO_SETTINGS_MODULE=mysite.settings.test\n"}
    assert chosen(tmp_path, files)[2] == ["production", "base", "dev"]


def test_production_that_nobody_names_gives_way_where_it_wants_variables(tmp_path):
    needy = "import os\nfrom .base import *\nX = os.environ['TOKEN']\n"
    files = DEV | {"mysite/settings/production.py": needy}
    assert chosen(tmp_path / "a", files)[2] == ["base", "dev", "production"]
    files["Procfile"] = "web: DJANGO_SETTINGS_MODULE=mysite.settings.production gunicorn x\n"
    assert chosen(tmp_path / "b", files)[2] == ["production", "dev"]


def test_variables_that_all_of_them_want_say_nothing(tmp_path):
    needy = "import os\nX = os.environ['TOKEN']\n" + SETTINGS
    assert chosen(tmp_path, DEV | {"mysite/settings/base.py": needy})[0] == "production"


def test_base_that_nobody_names_goes_before_development(tmp_path):
    files = DEV | {"mysite/settings/production.py": None, "mysite/settings/more.py": STAR}
    assert chosen(tmp_path, files) == ("base", "no file names one for a server", ["base", "dev"])


@pytest.mark.parametrize("name", ["prod", "product", "live", "deploy", "heroku"])
def test_a_name_that_says_production_is_found_beside_one_that_says_nothing(tmp_path, name):
    files = PACKAGE | {
        "manage.py": naming("devel", MANAGE),
        "mysite/settings/devel.py": STAR,
        "mysite/settings/docker.py": STAR,
        "mysite/settings/production.py": None,
        f"mysite/settings/{name}.py": STAR,
    }
    assert chosen(tmp_path / "a", files)[2] == [name, "base", "devel"]
    files["compose.yaml"] = "  DJANGO_SETTINGS_MODULE: mysite.settings.docker\n"
    assert chosen(tmp_path / "b", files)[2] == ["docker", name, "devel"]


def test_production_in_the_package_that_is_named(tmp_path):
    files = DEV | {"mysite/settings/__init__.py": SETTINGS, "mysite/wsgi.py": NAMED}
    assert chosen(tmp_path, files)[2] == ["settings", "production", "dev"]


def test_of_several_applications_the_one_of_what_developers_run(tmp_path):
    other = NAMED.replace("mysite", "jobs")
    files = {"jobs/__init__.py": "", "jobs/settings.py": SETTINGS, "jobs/wsgi.py": other}
    found = detected(tmp_path, files | {"mysite/wsgi.py": NAMED})
    assert (found.settings.value, found.application.value) == (
        "mysite.settings",
        "mysite.wsgi:application",
    )


def test_production_comes_before_what_is_for_one_host(tmp_path):
    files = PACKAGE | {"manage.py": "x = 1", "mysite/settings/heroku.py": STAR}
    assert chosen(tmp_path, files)[2] == ["production", "heroku", "base", "dev"]


def test_the_others_are_mentioned(tmp_path):
    notes = detected(tmp_path, DEV).notes
    assert "settings     mysite.settings.production (the name says production)" in notes
    said = "not load: mysite.settings.base, mysite.settings.dev; `settings:` says which"
    assert any(said in one for one in notes)


def test_stated_settings_have_no_rival(tmp_path):
    found = detected(tmp_path, DEV, settings="mysite.settings.dev")
    assert (found.settings.value, found.candidates) == ("mysite.settings.dev", ())


def test_the_class_of_django_configurations(tmp_path):
    more = 'os.environ.setdefault("DJANGO_CONFIGURATION", "{}")\n'
    files = {"manage.py": MANAGE.replace("import os, sys", "import os, sys\n" + more.format("Dev"))}
    files["mysite/wsgi.py"] = "import os\n" + more.format("Production") + WSGI
    assert detected(tmp_path / "a", {}).configuration == ""
    assert detected(tmp_path / "b", files).configuration == "Production"
    given = {"DJANGO_CONFIGURATION": "Dev"}
    assert detected(tmp_path / "c", files, environment=given).configuration == ""


@pytest.mark.parametrize("between", [" ", " \\\n  X=1 \\\n  "])
def test_settings_that_only_collect_files_are_not_what_runs(tmp_path, between):
    named = "DJANGO_SETTINGS_MODULE=mysite.settings.production"
    line = f"{named}{between}python manage.py collectstatic\n"
    files = PACKAGE | {"manage.py": naming("base", MANAGE), "Dockerfile": f"FROM x\nRUN {line}"}
    assert chosen(tmp_path / "a", files)[0] == "base"
    files |= {"Dockerfile": None, "entrypoint.sh": line.replace(" \\\n", " ")}
    assert chosen(tmp_path / "b", files)[0] == "production"
