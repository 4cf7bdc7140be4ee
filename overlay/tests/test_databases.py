"""`apply` on literals: the databases of the machine in place of the project's."""

from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from espalier_overlay.database import POSTGIS, POSTGRESQL, parse_url
from overlay.tests.applied import URL, applied


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
    pooled = {"ENGINE": POSTGRESQL, "OPTIONS": {"pool": True}}
    assert _age(applied({}, DATABASE_URL=URL, INTERFACE="asgi")) == 0
    assert _age(applied({"DATABASES": {"default": pooled}}, DATABASE_URL=URL)) == 0
    kept = {"DATABASES": {"default": {"ENGINE": POSTGRESQL, "CONN_MAX_AGE": 60}}}
    asgi = {"DATABASE_URL": URL, "DATABASE_CONNECTIONS": "4", "INTERFACE": "asgi"}
    assert _age(applied(kept, **asgi)) == 0  # Django refuses any other with a pool


def test_a_process_pools_its_connections_under_asgi_only():
    def pool(django_version: tuple[int, ...] = (5, 2, 0), engine: str = "", **environ: str) -> Any:
        settings = {"DATABASES": {"default": {"ENGINE": engine}}}
        result = applied(settings, django_version, DATABASE_URL=URL, **environ)
        return result["DATABASES"]["default"]["OPTIONS"].get("pool")

    bounded = {"min_size": 1, "max_size": 4, "timeout": 10}
    assert pool(DATABASE_CONNECTIONS="4", INTERFACE="asgi") == bounded
    assert pool(DATABASE_CONNECTIONS="4") is None
    assert pool(INTERFACE="asgi") is None
    # Django has its pool since 5.1, and other engines keep a state that a pool would mix up.
    assert pool((5, 0, 0), DATABASE_CONNECTIONS="4", INTERFACE="asgi") is None
    other = "tenants.postgresql_backend"
    assert pool(engine=other, DATABASE_CONNECTIONS="4", INTERFACE="asgi") is None


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


REPLICA = "postgresql://orchard:p%40ss@10.0.0.11:6432/orchard?sslmode=require"


def test_replicas_are_used_as_the_primary_is():
    own = {
        "DATABASES": {
            "default": {
                "ENGINE": "django.contrib.gis.db.backends.postgis",
                "ATOMIC_REQUESTS": True,
                "OPTIONS": {"pool": True},
            },
            "db2": {"ENGINE": "django.db.backends.sqlite3"},
        },
        "DATABASE_ROUTERS": ("shop.Router",),
        "MIDDLEWARE": ("a",),
    }
    result = applied(own, DATABASE_URL=URL, REPLICA_URLS=f"db2={REPLICA}\n db3={URL}")
    assert list(result["DATABASES"]) == ["default", "db2", "espalier_db2", "espalier_db3"]
    assert result["DATABASES"]["db2"] == own["DATABASES"]["db2"]
    assert result["DATABASES"]["default"]["ATOMIC_REQUESTS"] is True
    assert result["DATABASES"]["espalier_db2"] == {
        "ENGINE": "django.contrib.gis.db.backends.postgis",
        "NAME": "orchard",
        "USER": "orchard",
        "PASSWORD": "p@ss",
        "HOST": "10.0.0.11",
        "PORT": "6432",
        "CONN_MAX_AGE": 0,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {
            "application_name": "django",
            "connect_timeout": 2,
            "keepalives_idle": 5,
            "keepalives_interval": 2,
            "keepalives_count": 2,
            "tcp_user_timeout": 5000,
            "pool": True,
            "sslmode": "require",
        },
        "TEST": {"MIRROR": "default"},
    }
    assert result["DATABASE_ROUTERS"] == ["shop.Router", "espalier_overlay.router.Router"]
    assert result["MIDDLEWARE"] == [
        "espalier_overlay.health.middleware",
        "espalier_overlay.timing.middleware",
        "espalier_overlay.router.Middleware",
        "a",
    ]
    assert result["ESPALIER_REPLICAS"] == ("espalier_db2", "espalier_db3")
    assert result["ESPALIER_REPLICA_MAX_LAG"] == 10.0


def test_without_replicas_there_is_no_router():
    result = applied({"MIDDLEWARE": ["a"]}, DATABASE_URL=URL, REPLICA_URLS=" ")
    assert result["MIDDLEWARE"] == [
        "espalier_overlay.health.middleware",
        "espalier_overlay.timing.middleware",
        "a",
    ]
    assert "DATABASE_ROUTERS" not in result


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        ({"REPLICA_URLS": URL}, "ESPALIER_REPLICA_URLS.*without a name"),
        ({"REPLICA_URLS": "db2=mysql://a:geheim@b/c"}, "ESPALIER_REPLICA_URLS.*begins with"),
        ({"REPLICA_URLS": f"db2={URL}", "REPLICA_MAX_LAG": "soon"}, "MAX_LAG.*'soon'"),
        ({"REPLICA_URLS": f"db2={URL}", "REPLICA_MAX_LAG": "0"}, "MAX_LAG.*'0'"),
    ],
)
def test_bad_replicas_are_a_sentence(environ: dict, message: str):
    with pytest.raises(ImproperlyConfigured, match=message) as error:
        applied({}, DATABASE_URL=URL, **environ)
    assert "geheim" not in str(error.value)


@pytest.mark.parametrize(
    ("tracked", "options"), [("", {}), ("0", {}), ("1", {"prepare_threshold": 5})]
)
def test_behind_a_transaction_pool(tracked: str, options: dict):
    own = {"ENGINE": "django.db.backends.postgresql", "OPTIONS": {"prepare_threshold": 5}}
    result = applied(
        {"DATABASES": {"default": own}},
        DATABASE_URL=URL,
        REPLICA_URLS=f"db2={URL}",
        POOLER="transaction",
        PREPARED_STATEMENTS=tracked,
    )
    for alias in ("default", "espalier_db2"):
        entry = result["DATABASES"][alias]
        assert entry["DISABLE_SERVER_SIDE_CURSORS"] is True
        kept = {k: v for k, v in entry["OPTIONS"].items() if k == "prepare_threshold"}
        assert kept == options


@pytest.mark.parametrize("options", [{"options": "-c search_path=a"}, {"assume_role": "b"}])
def test_session_settings_are_refused_behind_a_transaction_pool(options: dict):
    own = {"default": {"ENGINE": "django.db.backends.postgresql", "OPTIONS": options}}
    applied({"DATABASES": own}, DATABASE_URL=URL)
    with pytest.raises(ImproperlyConfigured, match="ALTER DATABASE"):
        applied({"DATABASES": own}, DATABASE_URL=URL, POOLER="transaction")


@pytest.mark.parametrize(
    ("engine", "apps", "expected"),
    [
        ("django.db.backends.postgresql", ["django.contrib.gis"], POSTGIS),
        ("django.contrib.gis.db.backends.spatialite", ["django.contrib.gis"], POSTGIS),
        ("django.contrib.gis.db.backends.postgis", [], POSTGIS),
        (
            "tenants.postgresql_backend",
            ["django.contrib.gis"],
            "tenants.postgresql_backend",
        ),
        ("django.db.backends.postgresql", ["shop"], "django.db.backends.postgresql"),
    ],
)
def test_geodjango_has_postgis_whatever_url_its_settings_took(engine, apps, expected):
    own = {"DATABASES": {"default": {"ENGINE": engine}}, "INSTALLED_APPS": apps}
    assert applied(own, DATABASE_URL=URL)["DATABASES"]["default"]["ENGINE"] == expected


def test_another_entry_becomes_the_machine_s_database_of_that_name():
    own = {"analytics": {"ENGINE": "django.db.backends.sqlite3"}, "other": {"ENGINE": "x"}}
    url = "postgresql://shop:x@%2Frun%2Fpostgresql:5432/analytics"
    result = applied({"DATABASES": own}, DATABASE_URL=URL, DATABASE_ANALYTICS_URL=url)
    found = result["DATABASES"]["analytics"]
    assert (found["ENGINE"], found["NAME"]) == (POSTGRESQL, "analytics")
    assert result["DATABASES"]["other"] == own["other"]
