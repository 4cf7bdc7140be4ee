"""What settings want of the environment, in every style that projects have for it."""

from __future__ import annotations

import pytest

from espalier.project.variables.given import names
from espalier.wiring.databases import database_environment
from espalier.wiring.django import secret_key_environment, site_environment
from espalier.wiring.mail import email_environment
from espalier.wiring.redis import redis_environment
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
SECRETS = """
def secret(name):
    path = "/run/secrets/" + name
    if os.path.exists(path):
        return open(path).read()
    return os.environ[name]
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
        ('import dj_database_url as d\nfrom decouple import config\nX = config("A", cast=d.parse)',
         {"A": "URL"}),
        ('import environ\nenv = environ.Env(**{"B": (int, 1)})\nX = env("A"), env("B")',
         {"A": "text"}),
        ('import environ\nenv = environ.Env()\nX = env("A", int), env("B", int, 1)',
         {"A": "whole number"}),
        ('import environ\nenv = environ.Env()\nX = env.list("A", int), env.list("B", int, [])',
         {"A": "list"}),
        ('import environ\nenv = environ.Env()\nenv.read_env(f"{here()}/.env")\nX = env("A")',
         {"A": "text"}),
        ('if (x := os.environ.get("A")) is None:\n    raise ValueError("set A")', {"A": "text"}),
        ('import sys\nif "test" in sys.argv:\n    raise SystemExit\nX = os.environ["A"]',
         {"A": "text"}),
        ('import dj_database_url\nX = dj_database_url.parse(os.environ.get("A"))', {"A": "URL"}),
        ('try:\n    from .local import *\nexcept ImportError:\n    pass\nX = os.environ["A"]',
         {"A": "text"}),
        ('for name in ("A", "B"):\n    if os.environ.get(name) is None:\n        continue\n'
         '    X = os.environ["B"]\nY = os.environ["C"]', {"C": "text"}),
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
        'import environ, defaults\nenv = environ.Env(**defaults.ALL)\nX = env("A")',
        'import environ\nenv = environ.Env(**{"A": (int, 1)}, **{"B": (int, 1)})\nX = env("A")',
        'try:\n    import ldap\n    X = os.environ["A"]\nexcept ImportError:\n    pass',
        'try:\n    import ldap\nexcept ImportError:\n    pass\nelse:\n    X = os.environ["A"]',
        SECRETS + 'X = secret("A")',
        HELPER + 'if not need("A", "x"):\n    raise ValueError\nX = need("B", "x").lower()',
        'for path in unknown():\n    if path.exists():\n        break\n    X = os.environ["A"]',
        'for n in ("a", "b"):\n    if unknown(n):\n        break\n    X = os.environ["A" + n]',
        'X = {key: os.environ["A"] for key in unknown()}',
        "from pydantic_settings import BaseSettings as B\nclass S(B):\n    a: str\ns = S(a='')",
    ],
)
def test_what_is_not_certainly_required(tmp_path, text):
    assert wanted(tmp_path, text).required == ()


def test_an_expression_that_is_very_deep_ends_the_reading_of_its_module_alone(tmp_path):
    files = {"mysite/deep.py": "X = " + " + ".join(["'a'"] * 700) + "\n"}
    (one,) = wanted(tmp_path, 'from . import deep\nY = os.environ["A"]', files).required
    assert one.name == "A"


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


def test_the_kit_gives_what_a_file_of_developers_has_too(tmp_path):
    text = 'from decouple import config\nX = config("DB_HOST"), config("SHOP")'
    found = wanted(tmp_path, text, {".env": "DB_HOST=localhost\nSHOP=1\n"})
    assert (found.given, found.required) == ({"DB_HOST": "ESPALIER_DATABASE_HOST"}, ())


def test_what_split_settings_includes_is_followed(tmp_path):
    text = (
        "from split_settings.tools import include, optional\n"
        'include("parts/base.py", optional("parts/more_*.py"), optional("local.py"))\n'
    )
    files = {
        "mysite/parts/base.py": 'TOKEN = os.environ["TOKEN"]\n',
        "mysite/parts/more_db.py": 'X = os.environ["POSTGRES_HOST"] + TOKEN\n',
        "mysite/parts/other.py": 'X = os.environ["OTHER"]\n',
    }
    found = wanted(tmp_path, text, files)
    assert [(one.name, one.where) for one in found.required] == [
        ("TOKEN", "mysite/parts/base.py line 1")
    ]
    assert found.shown == ("POSTGRES_HOST",)


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
        ('os.environ.get("DEBUG", "1") == "1"', {"DEBUG": "ESPALIER_DEBUG_NUMBER"}),
        ('bool(os.environ.get("DEBUG"))', {}),  # bool("False") is true
        ('os.environ["MYSITE_DB_HOST"]', {"MYSITE_DB_HOST": "ESPALIER_DATABASE_HOST"}),
        ('os.environ.get("DB_ENGINE", "sqlite3")', {"DB_ENGINE": "ESPALIER_DATABASE_ENGINE_NAME"}),
        ('os.environ.get("DB_ENGINE", "django.contrib.gis.db.backends.postgis")', {}),
        ('os.environ.get("DB_ENGINE") == "postgres"', {}),
        ('os.environ["DB_ENGINE"] in {"postgresql", "sqlite"}',
         {"DB_ENGINE": "ESPALIER_DATABASE_ENGINE_NAME"}),
        ('os.environ["DB_ENGINE"]', {"DB_ENGINE": "ESPALIER_DATABASE_ENGINE"}),
        ('os.environ.get("CELERY_RESULT_BACKEND", "django-db")', {}),
        ('os.environ.get("CELERY_BACKEND", "redis://x")', {"CELERY_BACKEND": "ESPALIER_QUEUE_URL"}),
        ('os.environ["REDIS_JOBS_URL"]', {"REDIS_JOBS_URL": "ESPALIER_QUEUE_URL"}),
        ('os.environ["REDIS_CACHE_URL"]', {"REDIS_CACHE_URL": "ESPALIER_CACHE_URL"}),
        ('os.environ["REDIS_TLS_URL"]', {}),
        ('os.environ["ORCHARD_REDIS"]', {"ORCHARD_REDIS": "ESPALIER_QUEUE_URL"}),
        ('os.environ.get("REDIS_HOST", "redis://x")', {"REDIS_HOST": "ESPALIER_QUEUE_URL"}),
        ('os.environ.get("DB_HOST", "db:5432")', {}),
        ('os.environ.get("BASE_URL", "/shop/")', {}),
        ('os.environ.get("SITE_URL", "localhost:8000")', {"SITE_URL": "ESPALIER_SITE_DOMAIN"}),
        ('os.environ.get("DOMAIN", "http://x")', {"DOMAIN": "ESPALIER_SITE_URL"}),
        ('os.environ.get("EMAIL_USE_TLS", "true")', {"EMAIL_USE_TLS": "ESPALIER_EMAIL_USE_TLS"}),
        ('int(os.environ.get("EMAIL_USE_SSL", 0))',
         {"EMAIL_USE_SSL": "ESPALIER_EMAIL_USE_SSL_NUMBER"}),
        ('os.environ.get("DEBUG")', {}),
        ('os.environ["SITE_URL"]', {"SITE_URL": "ESPALIER_SITE_URL"}),
        ('os.environ["REDIS_HOST"]', {}),
    ],
)  # fmt: skip
def test_what_the_kit_gives(tmp_path, text, given):
    assert wanted(tmp_path, f"X = {text}").given == given


@pytest.mark.parametrize(
    ("text", "given"),
    [
        ('SECRET_KEY = os.environ["SALT"]', {"SALT": "ESPALIER_SECRET_KEY"}),
        (STRICT + 'SECRET_KEY = need("SALT")', {"SALT": "ESPALIER_SECRET_KEY"}),
        ('ALLOWED_HOSTS = os.environ["HOSTS"].split()', {"HOSTS": "ESPALIER_ALLOWED_HOSTS"}),
        (
            'DATABASES = {"default": {"NAME": os.environ["A"], "HOST": os.environ["B"]},\n'
            ' "old": {"NAME": os.environ.get("C")}}',
            {"A": "ESPALIER_DATABASE_NAME", "B": "ESPALIER_DATABASE_HOST"},
        ),
        (
            'DATABASES = {"default": {}}\nDATABASES["default"]["PASSWORD"] = os.environ["A"]',
            {"A": "ESPALIER_DATABASE_PASSWORD"},
        ),
        ('SECRET_KEY = os.environ.get("SALT", "x")', {}),  # what it falls back to is its own affair
        ('KEYS = {"SECRET_KEY": os.environ["SALT"]}', {}),
        ('APP_URL = os.environ["FRONTEND"]', {}),
    ],
)
def test_what_the_kit_gives_by_the_setting_that_is_made_of_it(tmp_path, text, given):
    found = wanted(tmp_path, text)
    assert found.given == given
    assert not {one.name for one in found.required} & given.keys()


@pytest.mark.parametrize(("others", "own"), [(4, True), (3, False)])
def test_a_prefix_of_nearly_all_variables_is_the_projects_own(tmp_path, others, own):
    names = [*(f"LD_{n}" for n in "ABCD"[:others]), "LD_DB_HOST", "LD_ALLOWED_HOSTS", "TZ"]
    text = "\n".join(f"X = os.environ.get('{name}')" for name in names)
    expected = {
        "LD_DB_HOST": "ESPALIER_DATABASE_HOST",
        "LD_ALLOWED_HOSTS": "ESPALIER_ALLOWED_HOSTS",
    }
    assert wanted(tmp_path, text).given == (expected if own else {})


def test_a_machine_has_each_variable_that_stands_for_another():
    link = {"address": "a", "port": 1}
    email = {"host": "h", "port": 25, "user": "", "from": "a@b", "tls": "none"}
    database = {"purpose": "queries", "url": "postgresql://u:p@h:1/n"}
    machine = {
        *redis_environment({"cache": [link], "jobs": [link]}, "u", "p"),
        *email_environment(email, ""),
        *site_environment(["a.example"]),
        *secret_key_environment("k", []),
        *database_environment([database], False, False),
    }
    assert names() <= machine
