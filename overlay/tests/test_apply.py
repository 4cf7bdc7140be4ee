"""`apply` on literals: what a project says, what the machine says, what runs."""

from pathlib import Path
from typing import Any

import pytest

from espalier_overlay.apply import apply
from overlay.tests.applied import URL, V42, V52, applied

FILES = "django.core.files.storage.FileSystemStorage"
OURS = "espalier_overlay.storage.StaticStorage"
STATIC = {"STATIC_URL": "/static/", "STATIC_ROOT": "/srv/o/releases/1/static"}


def test_without_environment_only_debug_logging_and_the_first_middlewares_change():
    own = {"DEBUG": True, "ALLOWED_HOSTS": ["*"], "STATIC_ROOT": "s", "MIDDLEWARE": ("a", "b")}
    result = applied(own)
    del result["LOGGING"]
    assert result == {
        "DEBUG": False,
        "ALLOWED_HOSTS": ["*"],
        "STATIC_ROOT": "s",
        "MIDDLEWARE": [
            "espalier_overlay.health.middleware",
            "espalier_overlay.timing.middleware",
            "a",
            "b",
        ],
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
