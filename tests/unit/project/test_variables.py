"""What settings want of the environment, in every style that projects have for it."""

from __future__ import annotations

import pytest

from tests.unit.project.samples import SETTINGS, detected

HELPER = """
def need(name, otherwise=None):
    try:
        return os.environ[name]
    except KeyError:
        if otherwise is None:
            raise ImproperlyConfigured("set " + name)
        return otherwise
"""
STRICT = """
def need(name):
    try:
        return os.environ[name]
    except KeyError:
        raise ImproperlyConfigured("set " + name)
"""


def wanted(tmp_path, text: str, files: dict[str, str] | None = None, **values: object):
    settings = {"mysite/settings.py": f"import os\n{text}\n{SETTINGS}"}
    return detected(tmp_path, settings | (files or {}), **values).wanted


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ('X = os.environ["A"]', {"A": "text"}),
        ('X = int(os.environ["A"])', {"A": "whole number"}),
        ('X = os.environ["A"].split(",")', {"A": "list"}),
        ('X = os.environ.get("A").split(",")', {"A": "list"}),
        ('X = os.getenv("A")\nif not X:\n    raise ValueError("set A")', {"A": "text"}),
        ('X = os.getenv("A")\nassert X, "set A"', {"A": "text"}),
        ('from os import environ as e\nX = e["A"]', {"A": "text"}),
        ('X = "https://" + os.environ.get("A")', {"A": "text"}),
        ('for name in ("A", "B"):\n    globals()[name] = os.environ[name]',
         {"A": "text", "B": "text"}),
        ('import environ\nenv = environ.Env()\nX = env("A")', {"A": "text"}),
        ('import environ\nenv = environ.Env(A=(bool, False), B=int)\nX = env("A"), env("B")',
         {"B": "whole number"}),
        ('import environ\nenv = environ.Env()\nX = env.bool("A")\nY = env.cache_url("B")',
         {"A": "true/false", "B": "URL"}),
        ('import environ\nenv = environ.Env()\nX = env.list("A", default=[]), env.json("B")',
         {"B": "JSON"}),
        ('from environs import Env\nenv = Env()\nwith env.prefixed("MY_"):\n    X = env.int("A")',
         {"MY_A": "whole number"}),
        ('from environs import env\nX = env.str("A", "x"), env.str("B")', {"B": "text"}),
        ('from decouple import config, Csv\nX = config("A", cast=Csv()), config("B", default=1)',
         {"A": "list"}),
        (STRICT + 'X = need("A")', {"A": "text"}),
        ("from pydantic_settings import BaseSettings, SettingsConfigDict\n"
         "class S(BaseSettings):\n    model_config = SettingsConfigDict(env_prefix='SHOP_')\n"
         "    a: str\n    b: int = 3\n    c: list[str]\n    d: bool\ns = S()",
         {"SHOP_A": "text", "SHOP_C": "JSON", "SHOP_D": "true/false"}),
    ],
)  # fmt: skip
def test_what_is_required(tmp_path, text, kinds):
    assert {one.name: one.kind for one in wanted(tmp_path, text).required} == kinds


@pytest.mark.parametrize(
    "text",
    [
        'X = os.environ.get("A")',
        'X = os.environ.get("A") or "x"',
        'X = os.getenv("A", "x").split(",")',
        'if "A" in os.environ:\n    X = os.environ["A"]',
        'if os.environ.get("A"):\n    X = os.environ["B"]',
        'if os.environ.get("MODE", "dev") == "live":\n    X = os.environ["A"]',
        'import sys\nif "runserver" in sys.argv:\n    X = os.environ["A"]',
        'try:\n    X = os.environ["A"]\nexcept KeyError:\n    X = 1',
        'from contextlib import suppress\nwith suppress(KeyError):\n    X = os.environ["A"]',
        'def late():\n    return os.environ["A"]',
        'X = lambda: os.environ["A"]',
        'X = os.environ["A"] if something() else None',
        HELPER + 'X = need("A", "x")',
        'from environ import Env\nenv = Env()\nenv.read_env("/etc/shop.env")\nX = env("A")',
        'DEBUG = os.environ.get("DEBUG", "True") == "True"\nif DEBUG:\n    X = os.environ["A"]',
        "from pydantic_settings import BaseSettings\nclass S(BaseSettings):\n    a: str",
        'from .elsewhere import *\nX = os.environ["PATH"]',
    ],
)
def test_what_is_not_certainly_required(tmp_path, text):
    assert wanted(tmp_path, text).required == ()


def test_other_modules_of_the_project_are_followed(tmp_path):
    files = {
        "mysite/base.py": 'from mysite import helpers\nA = helpers.need("A")\n',
        "mysite/helpers.py": "import os\n" + STRICT,
    }
    (one,) = wanted(tmp_path, "from .base import *\nX = A", files).required
    assert (one.name, one.where) == ("A", "mysite/base.py line 2")


def test_what_project_yml_or_a_file_gives_is_not_asked_for(tmp_path):
    text = 'from decouple import config\nX = config("A"), config("B"), config("C")'
    files = {".env": "# two\nexport B=1\n"}
    (one,) = wanted(tmp_path, text, files, environment={"A": "x"}).required
    assert one.name == "C"


@pytest.mark.parametrize(
    ("text", "given"),
    [
        ('os.environ["POSTGRES_HOST"]', {"POSTGRES_HOST": "ESPALIER_DATABASE_HOST"}),
        ('os.environ["DJANGO_DB_NAME"]', {"DJANGO_DB_NAME": "ESPALIER_DATABASE_NAME"}),
        ('os.environ["PGPASSWORD"]', {"PGPASSWORD": "ESPALIER_DATABASE_PASSWORD"}),
        ('os.environ["ORCHARD_SECRET_KEY"]', {"ORCHARD_SECRET_KEY": "ESPALIER_SECRET_KEY"}),
        ('os.environ["LEGACY_DB_HOST"]', {}),
        ('os.environ["STRIPE_SECRET_KEY"]', {}),
        ('os.environ["DEBUG"]', {"DEBUG": "ESPALIER_DEBUG"}),
        ('os.environ.get("DEBUG", "True") == "True"', {"DEBUG": "ESPALIER_DEBUG"}),
        ('int(os.environ.get("DEBUG", 1))', {"DEBUG": "ESPALIER_DEBUG_NUMBER"}),
        ('bool(os.environ.get("DEBUG"))', {"DEBUG": "ESPALIER_DEBUG"}),
        ('os.environ.get("DEBUG")', {}),
        ('os.environ["SITE_URL"]', {"SITE_URL": "ESPALIER_SITE_URL"}),
        ('os.environ["REDIS_HOST"]', {}),
    ],
)
def test_what_the_kit_gives(tmp_path, text, given):
    assert wanted(tmp_path, f"X = {text}").given == given
