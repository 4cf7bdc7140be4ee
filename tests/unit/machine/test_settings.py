"""Settings of a new release, loaded by real Django: which are taken, and what they lack."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from espalier_machine.release.environment import parse_environment
from espalier_machine.release.errors import ReleaseError
from espalier_machine.release.record import Release
from espalier_machine.release.scripts import process_script
from espalier_machine.release.settings import choose_settings, load_settings

from .fakes import BUILD

FINE = 'SECRET_KEY = "x"\nINSTALLED_APPS = ["django.contrib.staticfiles"]\nSTATIC_URL = "/s/"\n'
SIX = """\
import os
from helpers import secret
SECRET_KEY = os.environ["SIGNING_PHRASE"]
INSTALLED_APPS = []
PAGE = int(os.environ["PAGE_LENGTH"])
LANGUAGES_WANTED = os.environ.get("LANGUAGES").split(",")
FLAG = bool(int(os.environ["FLAG"]))
OTHER = secret("PARTNER_TOKEN")
if "stand" in os.environ["SIGNING_PHRASE"]:
    LAST = secret("LAST_ONE")
"""
HELPERS = """\
import os
from django.core.exceptions import ImproperlyConfigured
def secret(name):
    try:
        return os.environ[name]
    except KeyError:
        raise ImproperlyConfigured(f"set {name}")
"""


def release(machine, files: dict[str, str], **build: object) -> Release:
    path = machine.releases / "r1"
    for name, text in ({"helpers.py": HELPERS} | files).items():
        file = path / "code" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    python = path / "venv/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    (path / "release.env").write_text("")
    record = BUILD | {"overlay": False, "settings": "one", "id": "r1"} | build
    return Release(path, record)


def test_every_variable_is_asked_for_at_once(machine):
    with pytest.raises(ReleaseError) as caught:
        load_settings(machine, release(machine, {"one.py": SIX}))
    said = caught.value.sentence
    assert said.startswith("the settings one read 6 variables that have no value yet: write them")
    lines = [line.strip().split("#") for line in said.splitlines()[2:8]]
    assert [(written.strip(), comment.strip()) for written, comment in lines] == [
        ('SIGNING_PHRASE: ""', "text, one.py line 3"),
        ("PAGE_LENGTH: 0", "whole number, one.py line 5"),
        ('LANGUAGES: "one,two"', "list, one.py line 6"),
        ("FLAG: 0", "whole number, one.py line 7"),
        ('PARTNER_TOKEN: "{{ vault_partner_token }}"', "text, one.py line 8"),
        ('LAST_ONE: ""', "text, one.py line 10"),
    ]
    assert "vault_partner_token: …` belongs into group_vars/all/vault.yml" in said


def test_what_no_variable_mends_is_told_as_it_is(machine):
    text = 'import os\nos.environ.get("COLOUR")\nimport debug_toolbar_that_is_not_there\n'
    with pytest.raises(ReleaseError) as caught:
        load_settings(machine, release(machine, {"one.py": text}))
    assert "the settings one do not load here: ModuleNotFoundError" in caught.value.sentence
    assert "COLOUR" not in caught.value.sentence
    assert "espalier-missed" not in caught.value.sentence + caught.value.detail


def test_a_variable_that_is_not_the_reason_is_not_blamed(machine):
    text = 'import os\nX = os.environ.get("COLOUR")\nraise ValueError("no reason at all")\n'
    with pytest.raises(ReleaseError, match="do not load here: ValueError: no reason at all"):
        load_settings(machine, release(machine, {"one.py": text}))


def test_a_variable_with_a_default_is_not_asked_for(machine):
    text = """
import importlib, os
try:
    importlib.import_module(os.getenv("CONFIGURATION", "nothing"))
except ImportError as error:
    raise ValueError(f"no configuration: {error}")
"""
    with pytest.raises(ReleaseError, match="do not load here: ValueError: no configuration"):
        load_settings(machine, release(machine, {"one.py": text}))


def test_an_app_that_fails_is_no_matter_of_a_variable(machine):
    files = {
        "one.py": 'import os\nX = os.environ.get("COLOUR")\nINSTALLED_APPS = ["shop"]\n',
        "shop/__init__.py": "raise ValueError('the shop is closed')\n",
    }
    with pytest.raises(ReleaseError, match="do not load here: ValueError: the shop is closed"):
        load_settings(machine, release(machine, files))


def test_the_first_candidate_that_loads_is_taken(machine):
    files = {"one.py": "import nothing_of_that_name\n", "two.py": FINE}
    made = release(machine, files, candidates=[["one", "Dockerfile line 1"], ["two", "manage.py"]])
    assert load_settings(machine, made)["staticfiles"] is True
    assert made.record["settings"] == "two"
    written = parse_environment((made.path / "release.env").read_text())
    assert written["DJANGO_SETTINGS_MODULE"] == written["ESPALIER_SETTINGS"] == "two"


def test_the_build_runs_with_settings_that_load(machine):
    files = {"one.py": "open('manifest.json')\n" + FINE, "two.py": FINE}
    build = {"commands": ["npm run build", "python manage.py compilemessages"]}
    made = release(machine, files, candidates=[["one", "x"], ["two", "y"]], build=build)
    choose_settings(machine, made)
    assert made.record["settings"] == "two"
    assert '="two"' in (made.path / "release.env").read_text()
    (made.path / "code/manifest.json").touch()  # which the build makes
    load_settings(machine, made)
    assert made.record["settings"] == "one"
    assert '="two"' not in (made.path / "release.env").read_text()


@pytest.mark.parametrize("commands", [["npm run build"], ["python manage.py compilemessages"]])
def test_settings_that_load_once_they_are_built_are_no_error_before(machine, commands):
    text = "open('manifest.json')\n" + FINE
    files = {"one.py": text, "two.py": text}
    build = {"commands": commands}
    made = release(machine, files, candidates=[["one", "x"], ["two", "y"]], build=build)
    choose_settings(machine, made)
    assert made.record["settings"] == "one"


@pytest.mark.parametrize(("where", "taken"), [("wsgi.py line 3", ""), ("", "two")])
def test_what_is_named_is_not_passed_over_for_a_variable(machine, where, taken):
    files = {"one.py": SIX, "two.py": FINE}
    made = release(machine, files, candidates=[["one", where], ["two", "manage.py"]])
    if taken:
        load_settings(machine, made)
        assert made.record["settings"] == taken
    else:
        with pytest.raises(ReleaseError, match="the settings one read 6 variables"):
            load_settings(machine, made)


def test_a_site_keeps_the_settings_that_it_has(machine, monkeypatch):
    made = release(
        machine,
        {"one.py": FINE, "two.py": FINE},
        candidates=[["one", "Dockerfile line 1"], ["two", "manage.py line 5"]],
    )
    live = Release(Path("/nowhere"), {"settings": "two"})
    monkeypatch.setattr(type(machine), "live", lambda self: live)
    load_settings(machine, made)
    assert made.record["settings"] == "two"


def test_what_the_machine_has_is_given_under_the_names_of_the_settings(machine, capfd):
    given = {"POSTGRES_PASSWORD": "ESPALIER_DATABASE_PASSWORD", "REDIS_URL": "ESPALIER_QUEUE_URL"}
    given |= {"SECRET": "ESPALIER_SECRET_KEY"}  # the project has a value of its own
    environment = machine.config.environment_file
    environment.write_text(
        environment.read_text() + 'ESPALIER_DATABASE_PASSWORD="p w$x"\nESPALIER_SECRET_KEY="k"\n'
    )
    made = release(machine, {}, given=given)
    seen = machine.environment(made)
    assert (seen["POSTGRES_PASSWORD"], seen["SECRET"]) == ("p w$x", 'a"b')
    assert "REDIS_URL" not in seen
    processes = {"show": {"command": "env", "single": False}}
    script = made.path / "bin/process"
    script.parent.mkdir()
    script.write_text(process_script(made.record | {"processes": processes}))
    assert "p w$x" not in script.read_text()
    own = parse_environment(environment.read_text())
    assert os.spawnvpe(os.P_WAIT, "sh", ["sh", str(script), "show-1"], os.environ | own) == 0
    shown = capfd.readouterr().out.splitlines()
    assert "POSTGRES_PASSWORD=p w$x" in shown
    assert 'SECRET=a"b' in shown
    assert not any(line.startswith("REDIS_URL=") for line in shown)
