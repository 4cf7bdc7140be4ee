"""`apply` on literals: what a project says, what the machine says, what runs."""

import copy
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from espalier_overlay.apply import apply
from espalier_overlay.database import POSTGIS, POSTGRESQL, parse_url

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


def test_signatures_of_other_keys_stay_valid_while_the_machine_s_key_is_rotated():
    machine = {"SECRET_KEY": "new", "SECRET_KEY_FALLBACKS": "next,old"}
    assert applied({}, **machine)["SECRET_KEY_FALLBACKS"] == ["next", "old"]
    # A project may read the machine's key itself, and have keys of its own that it accepts.
    own = {"SECRET_KEY": "new", "SECRET_KEY_FALLBACKS": ["older", "old"]}
    assert applied(own, **machine)["SECRET_KEY_FALLBACKS"] == ["older", "old", "next"]
    # What the project signs with a key of its own is no business of the machine's.
    assert "SECRET_KEY_FALLBACKS" not in applied({"SECRET_KEY": "a real one"}, **machine)
    assert "SECRET_KEY_FALLBACKS" not in applied({}, SECRET_KEY="new")


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


STATIC = {"STATIC_URL": "/static/", "STATIC_ROOT": "/srv/o/releases/1/static"}


def test_a_root_that_is_a_path_stays_one() -> None:
    # As pretalx has it: settings.STATIC_ROOT / "manifest.json".
    environ = {"ESPALIER_STATIC_ROOT": "/srv/o/static", "ESPALIER_MEDIA_ROOT": "/srv/o/media"}
    own = {"STATIC_ROOT": Path("static"), "MEDIA_ROOT": Path("media")}
    settings = apply(own, environ)
    assert settings["STATIC_ROOT"] == Path("/srv/o/static")
    assert settings["MEDIA_ROOT"] == Path("/srv/o/media")
    assert apply({"STATIC_ROOT": "s"}, environ)["STATIC_ROOT"] == "/srv/o/static"


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
        "espalier_overlay.router.Middleware",
        "a",
    ]
    assert result["ESPALIER_REPLICAS"] == ("espalier_db2", "espalier_db3")
    assert result["ESPALIER_REPLICA_MAX_LAG"] == 10.0


def test_without_replicas_there_is_no_router():
    result = applied({"MIDDLEWARE": ["a"]}, DATABASE_URL=URL, REPLICA_URLS=" ")
    assert result["MIDDLEWARE"] == ["espalier_overlay.health.middleware", "a"]
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


REDIS = "redis://orchard:p%40ss@10.0.0.12:6379/0"
OUR_CACHE = {
    "BACKEND": "espalier_overlay.cache.Cache",
    "LOCATION": REDIS,
    "KEY_PREFIX": "orchard",
}
LOCAL = "django.core.cache.backends.locmem.LocMemCache"


def test_the_cache_of_a_project_that_has_none():
    assert applied({}, CACHE_URL=REDIS)["CACHES"] == {"default": OUR_CACHE}


def test_caches_in_memory_become_shared_and_others_stay():
    files = {"BACKEND": "django.core.cache.backends.filebased.FileBasedCache", "LOCATION": "/x"}
    own = {
        "default": {"BACKEND": LOCAL, "TIMEOUT": None, "VERSION": 2, "KEY_PREFIX": "p",
                    "OPTIONS": {"MAX_ENTRIES": 9}},
        "pages": {"BACKEND": LOCAL, "LOCATION": "pages", "KEY_FUNCTION": "shop.key"},
        "files": files,
    }  # fmt: skip
    assert applied({"CACHES": own}, CACHE_URL=REDIS)["CACHES"] == {
        "default": {**OUR_CACHE, "TIMEOUT": None, "VERSION": 2, "KEY_PREFIX": "orchard:p"},
        "pages": {**OUR_CACHE, "KEY_FUNCTION": "shop.key", "KEY_PREFIX": "orchard:pages"},
        "files": files,
    }


def test_another_packages_cache_stays_and_so_do_the_sessions():
    own = {
        "CACHES": {"default": {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": "x"}},
        "INSTALLED_APPS": ["django.contrib.sessions"],
    }
    result = applied(own, CACHE_URL=REDIS)
    assert result["CACHES"] == own["CACHES"]
    assert "SESSION_ENGINE" not in result


BACKENDS = "django.contrib.sessions.backends"


@pytest.mark.parametrize(
    ("own", "engine"),
    [
        ({}, "espalier_overlay.sessions"),
        ({"SESSION_ENGINE": f"{BACKENDS}.db"}, "espalier_overlay.sessions"),
        ({"SESSION_ENGINE": f"{BACKENDS}.cache"}, "espalier_overlay.sessions"),
        ({"SESSION_ENGINE": f"{BACKENDS}.cached_db"}, "espalier_overlay.sessions"),
        ({"SESSION_ENGINE": f"{BACKENDS}.signed_cookies"}, f"{BACKENDS}.signed_cookies"),
        ({"SESSION_ENGINE": f"{BACKENDS}.file"}, f"{BACKENDS}.file"),
        ({"SESSION_ENGINE": "shop.sessions"}, "shop.sessions"),
        (
            {"SESSION_ENGINE": f"{BACKENDS}.cache", "SESSION_CACHE_ALIAS": "elsewhere"},
            f"{BACKENDS}.cache",
        ),
    ],
)
def test_sessions_with_redis(own: dict, engine: str):
    result = applied({"INSTALLED_APPS": ["django.contrib.sessions"], **own}, CACHE_URL=REDIS)
    assert result["SESSION_ENGINE"] == engine


def test_a_project_without_sessions_stays_so():
    assert "SESSION_ENGINE" not in applied({"INSTALLED_APPS": ["shop"]}, CACHE_URL=REDIS)


# --- the queue ------------------------------------------------------------------------------------

QUEUE = "redis://shop:secret@10.0.0.4:6380/0"


@pytest.mark.parametrize(
    "own",
    [
        None,
        "",
        "amqp://guest:guest@localhost//",
        "redis://127.0.0.1:6379/1",
        "redis://[::1]:6379",
        "redis://redis:6379/0",  # a container's name
        "memory://",
    ],
)
def test_celery_gets_the_queue_in_place_of_a_broker_nearby(own: str | None) -> None:
    settings = {} if own is None else {"CELERY_BROKER_URL": own, "BROKER_URL": own}
    result = applied(settings, QUEUE_URL=QUEUE)
    assert result["CELERY_BROKER_URL"] == QUEUE
    assert result.get("BROKER_URL") == (None if own is None else QUEUE)


@pytest.mark.parametrize(
    "own",
    [
        "amqps://user:secret@rabbit.example.com/vhost",
        "redis://10.0.0.9:6379/0",
        "redis://[2001:db8::9]:6379/0",
        "sqs://",
        "amqp://user:secret@rabbit1:5672//",
        "redis://localhost;redis://other.example.com",
        ["redis://localhost", "redis://other.example.com"],
    ],
)
def test_celery_keeps_a_broker_elsewhere(own: Any) -> None:
    assert applied({"CELERY_BROKER_URL": own}, QUEUE_URL=QUEUE)["CELERY_BROKER_URL"] == own


def test_broker_that_the_inventory_names_is_left() -> None:
    # Celery reads this variable first, whatever the settings say.
    environ = {"ESPALIER_QUEUE_URL": QUEUE, "CELERY_BROKER_URL": "amqp://localhost"}
    assert "CELERY_BROKER_URL" not in apply({}, environ)


@pytest.mark.parametrize(
    ("own", "used"),
    [
        ("redis://localhost:6379/2", QUEUE),
        ("django-db", "django-db"),
        ("redis://results.example.com/2", "redis://results.example.com/2"),
        (None, None),
    ],
)
def test_results_move_along_only_from_a_redis_nearby(own: str | None, used: str | None) -> None:
    result = applied({"CELERY_RESULT_BACKEND": own} if own else {}, QUEUE_URL=QUEUE)
    assert result.get("CELERY_RESULT_BACKEND") == used


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"hosts": [("localhost", 6379)]},
        {"hosts": [{"address": "redis://redis:6379"}]},
        {"hosts": [{"host": "127.0.0.1", "port": 6379}]},
    ],
)
def test_channels_get_the_queue_in_place_of_a_redis_nearby(config: dict[str, Any]) -> None:
    layer = {"BACKEND": "channels_redis.core.RedisChannelLayer", "CONFIG": {**config, "expiry": 9}}
    own = {"default": layer, "quiet": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}
    result = applied({"CHANNEL_LAYERS": own}, QUEUE_URL=QUEUE)["CHANNEL_LAYERS"]
    host = {"address": QUEUE, "socket_timeout": 15}
    assert result["default"]["CONFIG"] == {"hosts": [host], "expiry": 9}
    assert result["quiet"] == own["quiet"]


@pytest.mark.parametrize(
    "host",
    [
        ("layer.example.com", 6379),
        {"host": "10.0.0.9", "port": 6379},
        ("2001:db8::9", 6379),
        {"sentinels": [("localhost", 26379)], "master_name": "layer"},
    ],
)
def test_channels_keep_a_redis_elsewhere(host: Any) -> None:
    config = {"hosts": [host]}
    own = {"default": {"BACKEND": "channels_redis.core.RedisChannelLayer", "CONFIG": config}}
    assert applied({"CHANNEL_LAYERS": own}, QUEUE_URL=QUEUE)["CHANNEL_LAYERS"] == own


def test_without_a_queue_celery_and_channels_stay_the_project_s() -> None:
    own = {"CELERY_BROKER_URL": "redis://localhost", "CHANNEL_LAYERS": {"default": {}}}
    result = applied(own)
    assert {name: result[name] for name in own} == own
    assert "CELERY_BROKER_URL" not in applied({})


STORE = "http://10.0.0.10:8090/orchard/"
SHARED = {
    "BACKEND": "espalier_overlay.media.SharedStorage",
    "OPTIONS": {"store": STORE, "token": "t"},
}


def test_shared_uploads():
    result = applied(
        {}, MEDIA_ROOT="/m", MEDIA_URL="/u/", MEDIA_SHARED_URL=STORE, MEDIA_SHARED_TOKEN="t"
    )
    assert result["STORAGES"] == {
        "default": SHARED,
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    }
    assert (result["MEDIA_ROOT"], result["MEDIA_URL"]) == ("/m", "/u/")


def test_shared_uploads_of_a_project_in_the_old_style():
    own = {"STATICFILES_STORAGE": "shop.Static", "DEFAULT_FILE_STORAGE": FILES}
    result = applied(own, V42, MEDIA_SHARED_URL=STORE, MEDIA_SHARED_TOKEN="t")
    assert result["STORAGES"] == {"default": SHARED, "staticfiles": {"BACKEND": "shop.Static"}}
    assert "STATICFILES_STORAGE" not in result
    assert "DEFAULT_FILE_STORAGE" not in result


def test_uploads_in_s3():
    result = applied(
        {"MEDIA_URL": "/own/"},
        S3_BUCKET="b",
        S3_ENDPOINT_URL="https://s3.example",
        S3_ACCESS_KEY="k",
        S3_SECRET_KEY="s",
        MEDIA_URL="/media/",
    )
    assert result["STORAGES"]["default"] == {
        "BACKEND": "storages.backends.s3.S3Storage",
        "OPTIONS": {
            "bucket_name": "b",
            "endpoint_url": "https://s3.example",
            "access_key": "k",
            "secret_key": "s",
            "file_overwrite": False,
            "signature_version": "s3v4",
        },
    }
    assert result["MEDIA_URL"] == "/own/"


def test_a_storage_of_the_projects_own_stays():
    own = {"STORAGES": {"default": {"BACKEND": "shop.Files"}}}
    result = applied(own, MEDIA_SHARED_URL=STORE, MEDIA_SHARED_TOKEN="t", S3_BUCKET="b")
    assert result["STORAGES"] == own["STORAGES"]


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
