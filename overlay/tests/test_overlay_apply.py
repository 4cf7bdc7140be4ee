"""`apply` on literals: what a project says, what the machine says, what runs."""

import copy
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from espalier_overlay.apply import apply
from espalier_overlay.database import parse_url

URL = "postgresql://orchard:p%40ss@10.0.0.10:5432/orchard"
FILES = "django.core.files.storage.FileSystemStorage"
OURS = "espalier_overlay.storage.StaticStorage"
V42, V52 = (4, 2, 0), (5, 2, 0)


def applied(settings: dict[str, Any], version: tuple = V52, **environ: str) -> dict[str, Any]:
    names = {f"ESPALIER_{name}": value for name, value in environ.items()}
    before = copy.deepcopy(settings)
    result = apply(settings, names, version)
    assert settings == before, "apply changed its argument"
    return result


def test_without_environment_only_debug_logging_and_the_health_middleware_change():
    own = {"DEBUG": True, "ALLOWED_HOSTS": ["*"], "STATIC_ROOT": "s", "MIDDLEWARE": ("a", "b")}
    result = applied(own)
    del result["LOGGING"]
    assert result == {
        "DEBUG": False,
        "ALLOWED_HOSTS": ["*"],
        "STATIC_ROOT": "s",
        "MIDDLEWARE": ["espalier_overlay.health.middleware", "a", "b"],
        "INSTALLED_APPS": [],
    }


@pytest.mark.parametrize(
    ("own", "runs"),
    [
        ({}, "from-machine"),
        ({"SECRET_KEY": ""}, "from-machine"),
        ({"SECRET_KEY": "django-insecure-x"}, "from-machine"),
        ({"SECRET_KEY": "a real one"}, "a real one"),
    ],
)
def test_secret_key(own: dict, runs: str):
    assert applied(own, SECRET_KEY="from-machine")["SECRET_KEY"] == runs


def test_insecure_secret_key_stays_when_the_machine_has_none():
    assert applied({"SECRET_KEY": "django-insecure-x"})["SECRET_KEY"] == "django-insecure-x"


def test_hosts_add_to_the_projects_own():
    result = applied(
        {"ALLOWED_HOSTS": ("localhost",), "CSRF_TRUSTED_ORIGINS": ["https://pay.example"]},
        ALLOWED_HOSTS="a.example, .b.example",
    )
    assert result["ALLOWED_HOSTS"] == ["a.example", ".b.example", "localhost"]
    assert result["CSRF_TRUSTED_ORIGINS"] == [
        "https://pay.example",
        "https://a.example",
        "https://b.example",
        "https://*.b.example",
    ]


def test_hosts_replace_a_star():
    result = applied({"ALLOWED_HOSTS": ["*", "x.example"]}, ALLOWED_HOSTS="a.example")
    assert result["ALLOWED_HOSTS"] == ["a.example"]


def test_https():
    result = applied({"SECURE_SSL_REDIRECT": True, "USE_X_FORWARDED_HOST": True}, HTTPS="1")
    assert result["SECURE_PROXY_SSL_HEADER"] == ("HTTP_X_FORWARDED_PROTO", "https")
    assert result["SESSION_COOKIE_SECURE"] is True
    assert result["CSRF_COOKIE_SECURE"] is True
    assert result["SECURE_SSL_REDIRECT"] is False
    assert result["USE_X_FORWARDED_HOST"] is True
    assert "SESSION_COOKIE_SECURE" not in applied({}, HTTPS="0")


def test_database_of_a_project_on_sqlite():
    own = {
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": "db.sqlite3",
            "ATOMIC_REQUESTS": True,
            "CONN_MAX_AGE": 1,
            "OPTIONS": {"timeout": 20},
        },
        "archive": {"ENGINE": "django.db.backends.sqlite3", "NAME": "old.sqlite3"},
    }
    result = applied({"DATABASES": own, "INSTALLED_APPS": ("notes",)}, DATABASE_URL=URL)
    assert result["DATABASES"] == {
        "default": {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": "orchard",
            "USER": "orchard",
            "PASSWORD": "p@ss",
            "HOST": "10.0.0.10",
            "PORT": "5432",
            "ATOMIC_REQUESTS": True,
            "CONN_MAX_AGE": 600,
            "CONN_HEALTH_CHECKS": True,
            "OPTIONS": {"application_name": "django", "connect_timeout": 5},
        },
        "archive": {"ENGINE": "django.db.backends.sqlite3", "NAME": "old.sqlite3"},
    }
    assert result["INSTALLED_APPS"] == ["notes", "django.contrib.postgres"]


def test_database_of_a_project_on_postgresql_keeps_how_it_connects():
    own = {
        "ENGINE": "django_prometheus.db.backends.postgis",
        "HOST": "localhost",
        "CONN_MAX_AGE": 60,
        "DISABLE_SERVER_SIDE_CURSORS": True,
        "TEST": {"NAME": "t"},
        "OPTIONS": {"application_name": "web", "connect_timeout": 2, "service": "dev"},
    }
    default = applied({"DATABASES": {"default": own}}, DATABASE_URL=URL)["DATABASES"]["default"]
    assert default == {
        "ENGINE": "django_prometheus.db.backends.postgis",
        "NAME": "orchard",
        "USER": "orchard",
        "PASSWORD": "p@ss",
        "HOST": "10.0.0.10",
        "PORT": "5432",
        "CONN_MAX_AGE": 60,
        "CONN_HEALTH_CHECKS": True,
        "DISABLE_SERVER_SIDE_CURSORS": True,
        "TEST": {"NAME": "t"},
        "OPTIONS": {"application_name": "web", "connect_timeout": 2},
    }


@pytest.mark.parametrize(
    ("own", "engine"),
    [
        ("", "django.db.backends.postgresql"),
        ("django.db.backends.mysql", "django.db.backends.postgresql"),
        ("django.contrib.gis.db.backends.spatialite", "django.contrib.gis.db.backends.postgis"),
        ("psqlextra.backend", "psqlextra.backend"),
        ("django_tenants.postgresql_backend", "django_tenants.postgresql_backend"),
    ],
)
def test_engine(own: str, engine: str):
    result = applied({"DATABASES": {"default": {"ENGINE": own}}}, DATABASE_URL=URL)
    assert result["DATABASES"]["default"]["ENGINE"] == engine


def test_connections_are_not_kept_under_asgi_or_over_djangos_pool():
    pooled = {"ENGINE": "django.db.backends.postgresql", "OPTIONS": {"pool": True}}
    assert _age(applied({}, DATABASE_URL=URL, INTERFACE="asgi")) == 0
    assert _age(applied({"DATABASES": {"default": pooled}}, DATABASE_URL=URL)) == 0


def _age(settings: dict[str, Any]) -> int:
    return settings["DATABASES"]["default"]["CONN_MAX_AGE"]


def test_url_of_a_socket_directory_and_options():
    assert parse_url("postgresql://o@%2FRun%2Fpg/db%20x?sslmode=require") == {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": "db x",
        "USER": "o",
        "PASSWORD": "",
        "HOST": "/Run/pg",
        "PORT": "",
        "OPTIONS": {"sslmode": "require"},
    }


def test_url_of_an_ipv6_address():
    url = parse_url("postgres://o:p@[fd00::1]:6432/db")
    assert (url["HOST"], url["PORT"]) == ("fd00::1", "6432")


@pytest.mark.parametrize(
    "url",
    [
        "mysql://o:hunter2@h/db",
        "postgresql://o:hunter2@h",
        "postgresql://o:hunter2@h/a/b",
        "postgresql://o:hunter2/x@h/db",
        "postgresql://o:hunter2#x@h/db",
        "postgresql://o:hunter2@h:54x/db",
        "postgresql://o:hunter2@[h/db",
        "hunter2",
    ],
)
def test_a_bad_url_is_explained_without_its_password(url: str):
    with pytest.raises(ImproperlyConfigured, match="postgresql://user:password@host") as caught:
        parse_url(url)
    assert "hunter2" not in str(caught.value)


STATIC = {"STATIC_URL": "/static/", "STATIC_ROOT": "/srv/o/releases/1/static"}


@pytest.mark.parametrize(
    ("own", "version", "runs"),
    [
        ({}, V52, {"STORAGES": {"default": {"BACKEND": FILES}, "staticfiles": {"BACKEND": OURS}}}),
        ({}, V42, {"STORAGES": {"default": {"BACKEND": FILES}, "staticfiles": {"BACKEND": OURS}}}),
        (
            {
                "STORAGES": {
                    "default": {"BACKEND": "s3"},
                    "staticfiles": {"BACKEND": "whitenoise.storage.X", "OPTIONS": {"location": 1}},
                }
            },
            V52,
            {"STORAGES": {"default": {"BACKEND": "s3"}, "staticfiles": {"BACKEND": OURS}}},
        ),
        (
            {"STATICFILES_STORAGE": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
            V42,
            {"STATICFILES_STORAGE": OURS},
        ),
        (
            {"DEFAULT_FILE_STORAGE": "s3"},
            V42,
            {"DEFAULT_FILE_STORAGE": "s3", "STATICFILES_STORAGE": OURS},
        ),
    ],
)
def test_static_storage(own: dict, version: tuple, runs: dict):
    environ = {name: value for name, value in STATIC.items()}
    result = applied(own, version, **environ)
    seen = ("STORAGES", "STATICFILES_STORAGE", "DEFAULT_FILE_STORAGE")
    assert {name: result[name] for name in seen if name in result} == runs
    assert {name: result[name] for name in STATIC} == STATIC


def test_django_5_1_and_later_ignore_the_old_storage_setting_and_so_does_the_overlay():
    result = applied({"STATICFILES_STORAGE": "s3.Static"}, V52, **STATIC)
    assert result["STORAGES"]["staticfiles"] == {"BACKEND": OURS}


def test_static_files_on_s3_stay_there():
    storages = {"default": {"BACKEND": FILES}, "staticfiles": {"BACKEND": "storages.s3.Static"}}
    own = {"STORAGES": storages, "STATIC_URL": "https://cdn.example/s/"}
    result = applied(own, **STATIC)
    assert result["STORAGES"] == storages
    assert result["STATIC_URL"] == "https://cdn.example/s/"


def test_a_local_static_storage_of_the_projects_own_follows_nginx():
    storages = {"default": {"BACKEND": FILES}, "staticfiles": {"BACKEND": "site.storage.Mine"}}
    result = applied({"STORAGES": storages, "STATIC_URL": "assets/"}, **STATIC)
    assert result["STORAGES"] == storages
    assert {name: result[name] for name in STATIC} == STATIC


MEDIA = {"MEDIA_URL": "/media/", "MEDIA_ROOT": "/srv/o/media"}


@pytest.mark.parametrize(
    ("own", "version", "local"),
    [
        ({}, V52, True),
        ({"STORAGES": {"default": {"BACKEND": FILES}}}, V52, True),
        ({"STORAGES": {"default": {"BACKEND": "storages.s3.Media"}}}, V52, False),
        ({"DEFAULT_FILE_STORAGE": "storages.s3.Media"}, V42, False),
        ({"DEFAULT_FILE_STORAGE": "storages.s3.Media"}, V52, True),
    ],
)
def test_media(own: dict, version: tuple, local: bool):
    result = applied({**own, "FILE_UPLOAD_PERMISSIONS": None}, version, **MEDIA)
    assert {k: result[k] for k in MEDIA if k in result} == (MEDIA if local else {})
    assert result["FILE_UPLOAD_PERMISSIONS"] == (0o644 if local else None)


def test_a_location_in_the_options_gives_way_to_media_root():
    options = {"location": "/old", "base_url": "/old/", "allow_overwrite": True}
    own = {"STORAGES": {"default": {"BACKEND": FILES, "OPTIONS": options}}}
    result = applied(own, **MEDIA)
    assert result["STORAGES"]["default"]["OPTIONS"] == {"allow_overwrite": True}


def test_extra_apps_are_added_once():
    own = {"INSTALLED_APPS": ["a", "django.contrib.postgres.apps.PostgresConfig"]}
    result = applied(own, EXTRA_APPS="a, b", DATABASE_URL=URL)
    assert result["INSTALLED_APPS"] == ["a", "django.contrib.postgres.apps.PostgresConfig", "b"]


def test_logging_is_left_to_a_project_that_configures_it_itself():
    own = {"LOGGING_CONFIG": None, "LOGGING": {"x": 1}}
    assert applied(own)["LOGGING"] == {"x": 1}
