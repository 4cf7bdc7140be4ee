"""The application of a project and the server that runs it, found in its files."""

from __future__ import annotations

import pytest

from tests.unit.project.samples import detected, undetected

ASGI = "application = get_asgi_application()\n"


def test_wsgi_is_preferred_and_asgi_taken_when_alone(tmp_path):
    found = detected(tmp_path / "a", {"mysite/asgi.py": ASGI})
    assert (found.application.value, found.interface) == ("mysite.wsgi:application", "wsgi")
    files = {"mysite/asgi.py": ASGI, "mysite/wsgi.py": None}
    found = detected(tmp_path / "b", files)
    assert (found.application.value, found.interface) == ("mysite.asgi:application", "asgi")


def test_a_package_named_asgi_holds_the_application(tmp_path):
    files = {"mysite/asgi/__init__.py": ASGI, "mysite/wsgi.py": None}
    found = detected(tmp_path, files)
    assert (found.application.value, found.interface) == ("mysite.asgi:application", "asgi")


@pytest.mark.parametrize(
    "files",
    [
        {"requirements.txt": "Django\nchannels[daphne]>=4\n"},
        {"requirements.txt": "daphne\n"},
        {"mysite/settings.py": 'INSTALLED_APPS = ["daphne", "x"]'},
        {"requirements.txt": None, "pyproject.toml": '[project]\ndependencies = ["channels~=4"]'},
    ],
)
def test_channels_selects_asgi_and_a_server_that_closes_websockets(tmp_path, files):
    found = detected(tmp_path, {"mysite/asgi.py": ASGI, **files})
    assert (found.application.value, found.interface) == ("mysite.asgi:application", "asgi")
    assert found.server.value == "uvicorn"
    assert [note for note in found.notes if note.startswith("server ")]
    stated = detected(tmp_path / "b", {"mysite/asgi.py": ASGI, **files}, server="granian")
    assert stated.server.value == "granian"


@pytest.mark.parametrize(
    "settings",
    [
        '# "channels", one day\nINSTALLED_APPS = ["x"]\n',
        'SLACK = {"channels": ["#pears"]}\n',
    ],
)
def test_channels_in_a_comment_or_elsewhere_do_not(tmp_path, settings):
    found = detected(tmp_path, {"mysite/asgi.py": ASGI, "mysite/settings.py": settings})
    assert (found.interface, found.server.value) == ("wsgi", "gunicorn")


@pytest.mark.parametrize(
    "settings",
    [
        'THIRD_PARTY_APPS = ["channels"]\nINSTALLED_APPS = ["x"] + THIRD_PARTY_APPS\n',
        'INSTALLED_APPS = []\nINSTALLED_APPS += ["daphne"]\n',
        'INSTALLED_APPS = []\nINSTALLED_APPS.insert(0, "daphne")\n',
        'INSTALLED_APPS: list[str] = ["channels"]\n',
        'INSTALLED_APPS = ["channels"]\nprint "of an old Python"\n',
    ],
)
def test_channels_among_the_apps_in_other_forms(tmp_path, settings):
    found = detected(tmp_path, {"mysite/asgi.py": ASGI, "mysite/settings.py": settings})
    assert found.interface == "asgi"


def test_channels_like_names_do_not(tmp_path):
    files = {"mysite/asgi.py": ASGI, "requirements.txt": "channels-of-water\ndjango-channels-x\n"}
    found = detected(tmp_path, files)
    assert (found.interface, found.server.value) == ("wsgi", "gunicorn")


def test_channels_for_tests_alone_do_not(tmp_path):
    # As uMap has it: what its ASGI application imports is an extra that is not installed.
    pyproject = '[project]\nname = "x"\nversion = "1"\ndependencies = ["Django"]\n'
    pyproject += '[project.optional-dependencies]\ntest = ["daphne"]\n'
    files = {"mysite/asgi.py": ASGI, "requirements.txt": None, "pyproject.toml": pyproject}
    found = detected(tmp_path / "a", files)
    assert (found.interface, found.server.value) == ("wsgi", "gunicorn")
    pipfile = {"Pipfile": '[packages]\ndjango = "*"\n[dev-packages]\nchannels = "*"\n'}
    lock = '{"default": {"django": {}}, "develop": {"channels": {}}}'
    files = {"mysite/asgi.py": ASGI, "requirements.txt": None, **pipfile, "Pipfile.lock": lock}
    found = detected(tmp_path / "b", files)
    assert (found.interface, found.server.value) == ("wsgi", "gunicorn")


def test_application_in_a_package(tmp_path):
    files = {"mysite/wsgi.py": None, "mysite/settings.py": "INSTALLED_APPS = []\n"}
    found = detected(tmp_path, files | {"mysite/asgi/__init__.py": ASGI})
    assert (found.application.value, found.interface) == ("mysite.asgi:application", "asgi")


def test_stated_application(tmp_path):
    files = {"mysite/asgi.py": ASGI}
    assert (
        detected(tmp_path / "a", files, application="mysite.asgi:application").interface == "asgi"
    )
    assert detected(tmp_path / "b", files, application="mysite.wsgi:app").interface == "wsgi"
    said = undetected(tmp_path / "c", {}, application="mysite.wsgy:application")
    assert "project.application: the project has no module mysite.wsgy" in said
    assert "did you mean `mysite.wsgi`" in said


def test_no_application(tmp_path):
    assert "neither a wsgi.py nor an asgi.py" in undetected(tmp_path, {"mysite/wsgi.py": None})
