"""What runs a project, found in its files."""

from __future__ import annotations

import pytest

from espalier.project.detection.postgresql import PostgreSQL
from espalier.project.detection.requirements import Requirements
from espalier.project.detection.tree import Found
from tests.unit.project.samples import MANAGE, PLAIN, WSGI, detected, undetected


def test_an_ordinary_project(tmp_path):
    found = detected(tmp_path, {})
    assert found.workdir == Found("", "the only one")
    assert found.settings == Found("mysite.settings", "manage.py line 5")
    assert found.application == Found(
        "mysite.wsgi:application", "WSGI_APPLICATION, mysite/settings.py line 2"
    )
    assert found.interface == "wsgi"
    assert found.requirements == Requirements("requirements.txt", "beside manage.py")
    assert found.requirements_kind == "requirements"
    assert found.notes[1:] == (
        "manage.py    manage.py (the only one)",
        "settings     mysite.settings (manage.py line 5)",
        "application  mysite.wsgi:application (wsgi) (WSGI_APPLICATION, mysite/settings.py line 2)",
        "requirements requirements.txt (beside manage.py)",
    )


def moved(prefix: str) -> dict[str, str | None]:
    return dict.fromkeys(PLAIN) | {f"{prefix}/{name}": text for name, text in PLAIN.items()}


def test_manage_in_a_directory(tmp_path):
    files = moved("backend") | {"backend/requirements.txt": None, "requirements.txt": "django"}
    found = detected(tmp_path, files)
    assert found.workdir.value == "backend"
    assert found.settings.where == "backend/manage.py line 5"
    assert found.requirements == Requirements("requirements.txt", "in the root")


def test_manage_of_a_test_project_is_left_aside(tmp_path):
    others = {
        "lib/tests/testproject/manage.py": "",
        ".hidden/manage.py": "",
        "node_modules/x/manage.py": "",
        "lib/site-packages/x/manage.py": "",
    }
    assert detected(tmp_path, others).workdir == Found("", "nearest the root")


def test_a_project_in_a_directory_called_example_is_a_project(tmp_path):
    assert detected(tmp_path, moved("example")).workdir.value == "example"


def test_several_or_no_manage(tmp_path):
    assert detected(tmp_path / "r", {"shop/manage.py": MANAGE}).workdir.value == ""
    said = undetected(tmp_path / "a", {"manage.py": None, "b/manage.py": "", "a/manage.py": ""})
    assert "several manage.py, in `a`, `b`: write `path:`" in said
    assert "no manage.py was found" in undetected(tmp_path / "b", {"manage.py": None})


def test_an_example_beside_the_project_is_left_aside(tmp_path):
    files = moved("backend") | {"example/manage.py": MANAGE, "demo/x/manage.py": MANAGE}
    assert detected(tmp_path, files).workdir == Found("backend", "nearest the root")


def test_settings_that_are_out_of_git_leave_the_others(tmp_path):
    files = {"manage.py": MANAGE.replace("mysite.settings", "mysite.local_settings")}
    assert detected(tmp_path, files).settings.value == "mysite.settings"
    said = undetected(tmp_path / "b", files | {"mysite/settings.py": None})
    assert "the project has no module mysite.local_settings" in said


def test_what_split_settings_includes_are_settings_too(tmp_path):
    include = "from split_settings.tools import include\ninclude('parts/*.py')\n"
    files = {
        "mysite/settings.py": include,
        "mysite/parts/apps.py": 'INSTALLED_APPS = ["django.contrib.gis"]\n',
        "mysite/parts/web.py": 'WSGI_APPLICATION = "mysite.server.app"\n',
        "mysite/server.py": "",
    }
    found = detected(tmp_path, files)
    assert found.postgresql.extensions == ("postgis",)
    assert found.application.value == "mysite.server:app"


def test_a_project_that_is_called_demo_has_an_application(tmp_path):
    demo = {path.replace("mysite", "demo"): text.replace("mysite", "demo")
            for path, text in PLAIN.items()}  # fmt: skip
    demo["demo/settings.py"] = "INSTALLED_APPS = []\n"
    files = dict.fromkeys(PLAIN) | demo | {"sandbox/wsgi.py": WSGI}
    found = detected(tmp_path, files)
    assert (found.application.value, found.settings.value) == (
        "demo.wsgi:application",
        "demo.settings",
    )


def test_path_chooses_among_several(tmp_path):
    files = {"shop/manage.py": MANAGE.replace("mysite", "elsewhere")}
    assert detected(tmp_path / "a", files, path=".").workdir == Found("", "project.path")
    said = undetected(tmp_path / "b", files, path="sop")
    assert 'there is no manage.py in "sop": there is one in `.`, `shop`' in said


@pytest.mark.parametrize(
    "line",
    [
        'os.environ["DJANGO_SETTINGS_MODULE"] = "mysite.settings"',
        'os.environ.setdefault("DJANGO_SETTINGS_MODULE", os.environ.get("X", "mysite.settings"))',
        'os.environ.setdefault("DJANGO_SETTINGS_MODULE", config("Y", default="mysite.settings"))',
        'print "python 2"; os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mysite.settings")',
        'if "test" in x:\n'
        '    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mysite.test_settings")\n'
        'else:\n    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mysite.settings")',
    ],
)
def test_ways_to_name_the_settings(tmp_path, line):
    files = {"manage.py": line, "mysite/test_settings.py": ""}
    assert detected(tmp_path, files).settings.value == "mysite.settings"


def test_settings_named_only_in_wsgi(tmp_path):
    text = 'import os\nos.environ.setdefault("DJANGO_SETTINGS_MODULE", "mysite.settings")\n' + WSGI
    found = detected(tmp_path, {"manage.py": "from x import main", "mysite/wsgi.py": text})
    assert found.settings == Found("mysite.settings", "mysite/wsgi.py line 2")


def test_settings_that_are_nowhere_or_misspelt(tmp_path):
    said = undetected(tmp_path / "a", {"manage.py": "x = 1", "mysite/settings.py": None})
    assert "manage.py does not say which settings module" in said
    said = undetected(tmp_path / "b", {}, settings="mysite.setings")
    assert "has no module mysite.setings in its root: did you mean `mysite.settings`" in said


def test_settings_of_an_installed_package_are_believed(tmp_path):
    assert (
        detected(tmp_path, {}, settings="company_site.conf").settings.value == "company_site.conf"
    )


LOCK = '[[package]]\nname = "django"\n'
PYPROJECT = '[project]\nname = "x"\ndependencies = ["django"]\n'


@pytest.mark.parametrize(
    ("files", "value", "kind"),
    [
        ({"uv.lock": LOCK, "pyproject.toml": PYPROJECT}, "uv.lock", "uv.lock"),
        ({"uv.lock": LOCK}, "requirements.txt", "requirements"),
        ({"uv.lock": "", "pyproject.toml": PYPROJECT}, "requirements.txt", "requirements"),
        ({"pyproject.toml": PYPROJECT}, "requirements.txt", "requirements"),
        ({"pyproject.toml": PYPROJECT, "requirements.txt": None}, "pyproject.toml", "pyproject"),
        (
            {"requirements.txt": None, "requirements/base.txt": "", "requirements/prod.txt": ""},
            "requirements/prod.txt",
            "requirements",
        ),
    ],
)
def test_requirements(tmp_path, files, value, kind):
    found = detected(tmp_path, files)
    assert (found.requirements.value, found.requirements_kind) == (value, kind)


def test_stated_requirements(tmp_path):
    files = moved("app") | {"deps/live.txt": "", "uv.lock": LOCK, "pyproject.toml": PYPROJECT}
    found = detected(tmp_path / "a", files, requirements="deps/live.txt")
    assert found.requirements == Requirements("deps/live.txt", "project.requirements")
    assert detected(tmp_path / "b", files, requirements="uv.lock").requirements_kind == "uv.lock"
    said = undetected(tmp_path / "c", files, requirements="live.txt")
    assert "there is no live.txt beside manage.py or in the project's root" in said
    assert "`app/requirements.txt`" in said
    assert "no pyproject.toml beside it" in undetected(
        tmp_path / "d", {"uv.lock": LOCK}, requirements="uv.lock"
    )
    assert "has no `dependencies` in [project]" in undetected(
        tmp_path / "e", {"pyproject.toml": ""}, requirements="pyproject.toml"
    )


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        ({}, "does not say what it needs"),
        ({"pyproject.toml": "[project"}, "pyproject.toml is not valid TOML"),
        ({"requirements.txt": "d\0j\0"}, "requirements.txt is no text"),
    ],
)
def test_unusable_requirements(tmp_path, files, sentence):
    assert sentence in undetected(tmp_path, {"requirements.txt": None, **files})


def test_celery_is_noted(tmp_path):
    files = {"mysite/celery.py": "app = Celery('mysite')"}
    line = "`processes: {worker: celery -A mysite worker}`"
    told = f"note         mysite/celery.py has a Celery app: write {line}, or its tasks wait"
    assert told in detected(tmp_path / "a", files).notes
    workers = {"worker": "celery -A mysite worker"}
    assert told not in detected(tmp_path / "b", files, processes=workers).notes


def test_a_large_directory_is_noted(tmp_path, monkeypatch):
    monkeypatch.setattr("espalier.project.detection.notes.LARGE", 2**20)
    notes = detected(tmp_path, {"media/a.jpg": "x" * 2**21}).notes
    assert "warning      2 MB, of which 2 MB in media: list in .gitignore what is not code" in notes


MIGRATION = """
from django.contrib.postgres.operations import CreateExtension, TrigramExtension
class Migration:
    operations = [
        CreateExtension("postgis"), TrigramExtension(), CreateExtension(name="dblink"),
        migrations.RunSQL('CREATE extension if not exists "vector"; CREATE EXTENSION strange;'),
    ]
"""


def test_extensions_of_migrations_are_found_and_shown(tmp_path):
    found = detected(
        tmp_path,
        {"shop/migrations/0001_initial.py": MIGRATION},
        database={"extensions": ["hstore", "dblink"]},
    )
    # A trusted one (pg_trgm) is the migration's own; one that is not known may be there already.
    assert found.postgresql.extensions == ("hstore", "dblink", "postgis", "vector")
    assert found.postgresql.packages == ()
    where = "(shop/migrations/0001_initial.py line 5)"
    assert f"postgresql   extension postgis {where}" in found.notes
    strange = 'warning      for the PostgreSQL extension "strange"'
    assert any(one.startswith(strange) for one in found.notes)


@pytest.mark.parametrize(
    "settings",
    [
        "INSTALLED_APPS = ['django.contrib.gis']",
        "DATABASES = {'default': {'ENGINE': 'django.contrib.gis.db.backends.postgis'}}",
    ],
)
def test_geodjango_needs_postgis_and_its_libraries(tmp_path, settings):
    found = detected(tmp_path, {"mysite/settings.py": settings})
    assert found.postgresql.extensions == ("postgis",)
    assert found.postgresql.packages == ("gdal-bin",)


def test_a_project_without_extensions_has_none(tmp_path):
    files = {
        "mysite/settings.py": "# 'django.contrib.gis' perhaps",
        "shop/migrations/0001_initial.py": "operations = [TrigramExtension()]",
    }
    assert detected(tmp_path, files).postgresql == PostgreSQL()


VIEWS = {"shop/views.py": "from django.core.mail import send_mail\n\nsend_mail('a')\n"}


@pytest.mark.parametrize(
    ("files", "where"),
    [
        (VIEWS, "shop/views.py line 1"),
        ({"mysite/settings.py": "INSTALLED_APPS = ['allauth']"}, "allauth, among the apps of"),
    ],
)
def test_mail_without_a_server_is_noted(tmp_path, files, where):
    told = [one for one in detected(tmp_path, files).notes if "sends mail" in one]
    assert len(told) == 1
    assert told[0].startswith(f"note         {where}")
    assert "write `email:`" in told[0]


@pytest.mark.parametrize(
    ("files", "keys"),
    [
        ({}, {}),
        ({"shop/tests.py": "mail.send_mail('a')"}, {}),
        (VIEWS, {"email": {"host": "smtp.example.com", "from": "a@b.example"}}),
        (VIEWS, {"environment": {"EMAIL_HOST": "smtp.example.com"}}),
        ({**VIEWS, "mysite/settings.py": "EMAIL_HOST = env('MAIL')"}, {}),
    ],
)
def test_mail_with_a_server_or_none_at_all_is_not_noted(tmp_path, files, keys):
    notes = detected(tmp_path, files, **keys).notes
    assert not [one for one in notes if "sends mail" in one]


def test_a_writable_directory_is_shown_and_kept(tmp_path):
    found = detected(tmp_path, {"data/seed.txt": "x"}, writable=["data", "var/log"])
    assert (
        "writable     data is /srv/orchard/data/data, which every app machine has of its own"
        in found.notes
    )


@pytest.mark.parametrize(
    ("files", "path", "sentence"),
    [
        ({"jobs/q.sqlite3": ""}, "jobs/q.sqlite3", "is a file, and only a whole directory"),
        ({"jobs/q.sqlite3": ""}, "jobs/q.sqlite3", "write `writable: [jobs]`"),
        ({"db.sqlite3": ""}, "db.sqlite3", "a directory of its own, such as data"),
        ({"data": ""}, "data/x", "data is a file"),
        ({}, "mysite", "mysite holds code (mysite/__init__.py)"),
    ],
)
def test_a_writable_path_that_cannot_be_one(tmp_path, files, path, sentence):
    assert sentence in undetected(tmp_path, files, writable=[path])


@pytest.mark.parametrize(
    ("manage", "files", "imported"),
    [
        ("sys.path.append('lib')", {"lib/jobs/__init__.py": ""}, ("lib",)),
        ('sys.path.insert(0, os.path.join(HERE, "lib"))', {"lib/jobs.py": ""}, ("lib",)),
        ('sys.path.append("gone")', {}, ()),
        ("", {"src/jobs/__init__.py": ""}, ("src",)),
        ("", {"src/app.js": ""}, ()),
        ("", {"src/__init__.py": "", "src/jobs/__init__.py": ""}, ()),
    ],
)
def test_directories_that_modules_are_imported_from(tmp_path, manage, files, imported):
    found = detected(tmp_path, {"manage.py": f"{manage}\n{MANAGE}", **files})
    assert found.imported == imported
    said = [line for line in found.notes if "modules are imported from" in line]
    assert bool(said) == bool(imported)


def test_a_project_whose_code_is_in_src(tmp_path):
    moved = {f"src/{name}": PLAIN[name] for name in PLAIN if name.startswith("mysite/")}
    away = dict.fromkeys(name for name in PLAIN if name.startswith("mysite/"))
    found = detected(tmp_path, moved | away)
    assert (found.workdir.value, found.imported) == ("", ("src",))
    assert found.settings.value == "mysite.settings"
    assert found.application.value == "mysite.wsgi:application"
