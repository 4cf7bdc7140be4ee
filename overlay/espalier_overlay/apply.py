"""The overlay itself: a pure function from settings and environment to settings."""

from collections.abc import Iterable, Mapping
from pathlib import Path, PurePath
from typing import Any
from urllib.parse import unquote, urlsplit

import django

from espalier_overlay.apps import add_apps, is_installed
from espalier_overlay.databases import apply_databases
from espalier_overlay.log_files import move_log_files
from espalier_overlay.logs import logging_config
from espalier_overlay.mail import apply_mail

# The project's code, in a release: beside the overlay.
CODE = str(Path(__file__).resolve().parents[2] / "code")
HEALTH_MIDDLEWARE = "espalier_overlay.health.middleware"
TIMING_MIDDLEWARE = "espalier_overlay.timing.middleware"
CSP_MIDDLEWARE = "espalier_overlay.csp.middleware"
REPLICA_MIDDLEWARE = "espalier_overlay.router.Middleware"
CACHE = "espalier_overlay.cache.Cache"
# Brokers that may run beside a project; others (SQS …) are elsewhere even without a host.
NEARBY_SCHEMES = ("", "redis", "rediss", "amqp", "pyamqp", "memory")
# The usual names of containers are among them.
NEARBY_HOSTS = ("", "localhost", "::1", "redis", "rabbitmq", "broker")
SESSIONS = "django.contrib.sessions"
SHARED_STORAGE = "espalier_overlay.media.SharedStorage"
S3_STORAGE = "storages.backends.s3.S3Storage"
STATIC_STORAGE = "espalier_overlay.storage.StaticStorage"
PLAIN_STATIC_STORAGE = "django.contrib.staticfiles.storage.StaticFilesStorage"
FILE_SYSTEM_STORAGE = "django.core.files.storage.FileSystemStorage"
# The two spellings under which projects name Django's own file storage.
FILE_SYSTEM_STORAGES = (
    FILE_SYSTEM_STORAGE,
    "django.core.files.storage.filesystem.FileSystemStorage",
)
# Packages whose static storages only place files on this machine's disk, as the overlay's does.
LOCAL_STATIC_PACKAGES = ("django.contrib.staticfiles.", "whitenoise.")

Settings = dict[str, Any]


def apply(
    settings: Mapping[str, Any],
    environ: Mapping[str, str],
    django_version: tuple[Any, ...] = django.VERSION,
) -> Settings:
    """Return the settings to run with; neither argument is changed.

    Args:
        settings: the project's UPPERCASE settings, by name.
        environ: the environment; only `ESPALIER_*` names are read, and `CELERY_BROKER_URL`. A name
            that is absent or empty leaves what the project says.
        django_version: such as `(5, 2, 0)`; decides between `STORAGES` and the settings before it.

    Raises:
        ImproperlyConfigured: a variable is not of its form, or the project's settings cannot work
            with what the machine has. The sentence says what to write instead.
    """
    result = {**settings, "DEBUG": False}
    _secret_key(result, environ)
    _hosts(result, environ)
    _https(result, environ)
    apply_databases(result, environ, django_version)
    _cache(result, environ)
    _queue(result, environ)
    apply_mail(result, environ)
    _static(result, environ, django_version)
    _media(result, environ, django_version)
    _logging(result)
    add_apps(result, _split(environ.get("ESPALIER_EXTRA_APPS")))
    # First, so that a probe is answered before host checking and redirects to HTTPS, and so is a
    # browser's report; and the replicas' next, because sessions are written when all others are
    # done. What times requests is around all that a request passes through; while nobody measures,
    # it does nothing.
    first = [
        HEALTH_MIDDLEWARE,
        TIMING_MIDDLEWARE,
        *([CSP_MIDDLEWARE] if environ.get("ESPALIER_CSP") == "report" else []),
        *([REPLICA_MIDDLEWARE] if "ESPALIER_REPLICAS" in result else []),
    ]
    others = [name for name in result.get("MIDDLEWARE") or () if name not in first]
    result["MIDDLEWARE"] = [*first, *others]
    return result


def _secret_key(settings: Settings, environ: Mapping[str, str]) -> None:
    own, given = settings.get("SECRET_KEY"), environ.get("ESPALIER_SECRET_KEY")
    unfit = not own or (isinstance(own, str) and own.startswith("django-insecure-"))
    if given and unfit:
        settings["SECRET_KEY"] = given
    # While the machine's key is rotated, what was signed with another one stays valid. A project
    # may read that key itself.
    if given and settings["SECRET_KEY"] == given:
        fallbacks = _split(environ.get("ESPALIER_SECRET_KEY_FALLBACKS"))
        own_fallbacks = settings.get("SECRET_KEY_FALLBACKS") or ()
        if fallbacks:
            settings["SECRET_KEY_FALLBACKS"] = _unique([*own_fallbacks, *fallbacks])


def _hosts(settings: Settings, environ: Mapping[str, str]) -> None:
    given = _split(environ.get("ESPALIER_ALLOWED_HOSTS"))
    if not given:
        return
    own = list(settings.get("ALLOWED_HOSTS") or ())
    settings["ALLOWED_HOSTS"] = _unique(given + ([] if "*" in own else own))
    # Origins of the machine's hosts only: the project's list often holds "localhost", and whatever
    # runs on a visitor's own machine must not be trusted to post forms.
    origins = [origin for host in given for origin in _https_origins(host)]
    settings["CSRF_TRUSTED_ORIGINS"] = _unique(
        [*(settings.get("CSRF_TRUSTED_ORIGINS") or ()), *origins]
    )


def _https_origins(host: str) -> list[str]:
    """Return the CSRF origins of one entry of ALLOWED_HOSTS; `.a.b` means a.b and below it."""
    if host == "*":
        return []
    if host.startswith("."):
        return [f"https://{host[1:]}", f"https://*{host}"]
    return [f"https://{host}"]


def _https(settings: Settings, environ: Mapping[str, str]) -> None:
    if environ.get("ESPALIER_HTTPS") != "1":
        return
    settings.update(
        SECURE_PROXY_SSL_HEADER=("HTTP_X_FORWARDED_PROTO", "https"),
        SESSION_COOKIE_SECURE=True,
        CSRF_COOKIE_SECURE=True,
        SECURE_SSL_REDIRECT=False,  # nginx redirects; twice is a loop when the two disagree
    )


def _cache(settings: Settings, environ: Mapping[str, str]) -> None:
    url = environ.get("ESPALIER_CACHE_URL")
    if not url:
        return
    own = settings.get("CACHES") or {}
    # The project's name; the kit gives each project a user of its own in redis.
    user = unquote(urlsplit(url).username or "")
    prefix = user or environ.get("ESPALIER_SETTINGS", "").partition(".")[0]
    shared = {
        alias: _shared_cache(own.get(alias) or {}, url, prefix, alias)
        for alias in {"default": None, **own}
        if _is_djangos(own.get(alias) or {}) and (alias == "default" or _is_local(own[alias]))
    }
    settings["CACHES"] = {**own, **shared}
    if "default" in shared:
        _sessions(settings)


def _shared_cache(own: Mapping[str, Any], url: str, prefix: str, alias: str) -> dict[str, Any]:
    """Return a cache in the kit's redis that is used as the project's own."""
    # One redis for all: without the alias, two caches of the project would share their keys.
    parts = (prefix, "" if alias == "default" else alias, str(own.get("KEY_PREFIX") or ""))
    kept = ("TIMEOUT", "VERSION", "KEY_FUNCTION")
    return {
        **{key: own[key] for key in kept if key in own},
        "BACKEND": CACHE,
        "LOCATION": url,
        "KEY_PREFIX": ":".join(part for part in parts if part),
    }


def _is_djangos(cache: Mapping[str, Any]) -> bool:
    """Tell whether nothing of a cache backend is used but Django's own interface."""
    return str(cache.get("BACKEND") or "django.core.cache.").startswith("django.core.cache.")


def _is_local(cache: Mapping[str, Any]) -> bool:
    return str(cache.get("BACKEND")).endswith(".LocMemCache")


def _sessions(settings: Settings) -> None:
    """Keep sessions in the cache and in the database, if one of Django's own does either now."""
    if not is_installed(settings, SESSIONS):
        return
    engine = str(settings.get("SESSION_ENGINE") or f"{SESSIONS}.backends.db")
    if engine not in {f"{SESSIONS}.backends.{name}" for name in ("db", "cache", "cached_db")}:
        return
    alias = settings.get("SESSION_CACHE_ALIAS") or "default"
    if engine.endswith(".db") or settings["CACHES"].get(alias, {}).get("BACKEND") == CACHE:
        settings["SESSION_ENGINE"] = "espalier_overlay.sessions"
        if engine.endswith(".db"):
            settings["SESSION_CACHE_ALIAS"] = "default"


def _queue(settings: Settings, environ: Mapping[str, str]) -> None:
    """Give Celery and Channels the kit's queue, where theirs is that of a developer's machine."""
    url = environ.get("ESPALIER_QUEUE_URL")
    if not url:
        return
    # Celery asks these variables first; who set them wants what they say.
    if not environ.get("CELERY_BROKER_URL"):
        for name in ("CELERY_BROKER_URL", *({"BROKER_URL"} & settings.keys())):
            if _is_nearby(settings.get(name) or ""):
                settings[name] = url
    results = settings.get("CELERY_RESULT_BACKEND") or ""
    if str(results).startswith("redis") and _is_nearby(results):
        settings["CELERY_RESULT_BACKEND"] = url
    if layers := settings.get("CHANNEL_LAYERS"):
        settings["CHANNEL_LAYERS"] = {alias: _layer(layer, url) for alias, layer in layers.items()}


def _layer(layer: Mapping[str, Any], url: str) -> Mapping[str, Any]:
    """Return a channel layer, with the kit's queue in place of a redis nearby."""
    config = layer.get("CONFIG") or {}
    ours = str(layer.get("BACKEND")).startswith("channels_redis.")
    if not ours or not all(_is_nearby(_channel_url(host)) for host in config.get("hosts") or ()):
        return layer
    # It waits 5 s for a message, which is when redis-py (8.0 on) takes a server for dead.
    return {**layer, "CONFIG": {**config, "hosts": [{"address": url, "socket_timeout": 15}]}}


def _channel_url(host: Any) -> str | None:
    """Return one of Channels' `hosts` as a URL; None for sentinels, which name no server."""
    if isinstance(host, Mapping):
        host = (host["host"],) if "host" in host else host.get("address")
    if host is None or isinstance(host, str):
        return host
    return f"redis://[{host[0]}]" if ":" in host[0] else f"redis://{host[0]}"


def _is_nearby(url: Any) -> bool:
    """Tell whether a server is what developers have: on their machine, or in a container."""
    if not isinstance(url, str) or ";" in url:  # Celery takes several
        return False
    parts = urlsplit(url)
    host = parts.hostname or ""
    return parts.scheme in NEARBY_SCHEMES and (host in NEARBY_HOSTS or host.startswith("127."))


def _static(
    settings: Settings, environ: Mapping[str, str], django_version: tuple[Any, ...]
) -> None:
    root, url = environ.get("ESPALIER_STATIC_ROOT"), environ.get("ESPALIER_STATIC_URL")
    backend = _storage(settings, "staticfiles", "STATICFILES_STORAGE", django_version)
    local = backend == "" or backend.startswith(LOCAL_STATIC_PACKAGES) or backend == STATIC_STORAGE
    if url and (local or "//" not in str(settings.get("STATIC_URL") or "")):
        settings["STATIC_URL"] = _ends_with_slash(url)
    if not root:
        return
    settings["STATIC_ROOT"] = _as_before(settings.get("STATIC_ROOT"), root)
    _readable_by_nginx(settings)
    if not local:
        return
    if _old_style(settings, django_version):
        settings["STATICFILES_STORAGE"] = STATIC_STORAGE
    else:
        storages = settings.get("STORAGES") or {"default": {"BACKEND": FILE_SYSTEM_STORAGE}}
        # Without the project's OPTIONS: a `location` in them would win over STATIC_ROOT.
        settings["STORAGES"] = {**storages, "staticfiles": {"BACKEND": STATIC_STORAGE}}


def _as_before(stated: Any, path: str) -> Any:
    """A path in the form in which the project has it: its code may go on from there."""
    return Path(path) if isinstance(stated, PurePath) else path


def _media(settings: Settings, environ: Mapping[str, str], django_version: tuple[Any, ...]) -> None:
    root, url = environ.get("ESPALIER_MEDIA_ROOT"), environ.get("ESPALIER_MEDIA_URL")
    backend = _storage(settings, "default", "DEFAULT_FILE_STORAGE", django_version)
    if backend and backend not in FILE_SYSTEM_STORAGES:
        return
    if environ.get("ESPALIER_S3_BUCKET"):
        _set_storage(settings, S3_STORAGE, _s3_options(environ), django_version)
        return  # its own addresses take the place of MEDIA_URL
    ruled_out = set()
    if root:
        settings["MEDIA_ROOT"] = _as_before(settings.get("MEDIA_ROOT"), root)
        ruled_out.add("location")
        _readable_by_nginx(settings)
    if url:
        settings["MEDIA_URL"] = _ends_with_slash(url)
        ruled_out.add("base_url")
    storages = settings.get("STORAGES") or {}
    default = storages.get("default") or {}
    if "OPTIONS" in default:  # they would win over MEDIA_ROOT and MEDIA_URL
        options = {k: v for k, v in default["OPTIONS"].items() if k not in ruled_out}
        settings["STORAGES"] = {**storages, "default": {**default, "OPTIONS": options}}
    store = environ.get("ESPALIER_MEDIA_SHARED_URL")
    if store:
        token = environ.get("ESPALIER_MEDIA_SHARED_TOKEN") or ""
        options = {"store": _ends_with_slash(store), "token": token}
        _set_storage(settings, SHARED_STORAGE, options, django_version)


def _s3_options(environ: Mapping[str, str]) -> dict[str, Any]:
    given = {
        option: environ.get(f"ESPALIER_S3_{name}")
        for option, name in (
            ("bucket_name", "BUCKET"),
            ("endpoint_url", "ENDPOINT_URL"),
            ("region_name", "REGION"),
            ("access_key", "ACCESS_KEY"),
            ("secret_key", "SECRET_KEY"),
        )
    }
    return {
        **{k: v for k, v in given.items() if v},
        # Django's own storage never overwrites, and projects count on it.
        "file_overwrite": False,
        # boto signs links the old way for an endpoint that it does not know; many accept only this.
        "signature_version": "s3v4",
    }


def _set_storage(
    settings: Settings, backend: str, options: Settings, django_version: tuple[Any, ...]
) -> None:
    """Make `backend` the storage of uploads, with its options on top of the project's own."""
    storages = dict(settings.get("STORAGES") or {})
    if _old_style(settings, django_version):
        # Django refuses both styles side by side; options exist in the new one only.
        static = settings.pop("STATICFILES_STORAGE", None) or PLAIN_STATIC_STORAGE
        settings.pop("DEFAULT_FILE_STORAGE", None)
        storages["staticfiles"] = {"BACKEND": static}
    else:
        storages.setdefault("staticfiles", {"BACKEND": PLAIN_STATIC_STORAGE})
    own = (storages.get("default") or {}).get("OPTIONS") or {}
    if backend == S3_STORAGE:
        own = {}  # FileSystemStorage's, of which it knows none
    storages["default"] = {"BACKEND": backend, "OPTIONS": {**own, **options}}
    settings["STORAGES"] = storages


def _storage(
    settings: Settings, alias: str, old_setting: str, django_version: tuple[Any, ...]
) -> str:
    """Return the dotted path of the project's storage backend, "" for Django's default."""
    if _old_style(settings, django_version):
        return settings.get(old_setting) or ""
    backend = ((settings.get("STORAGES") or {}).get(alias) or {}).get("BACKEND") or ""
    return backend if isinstance(backend, str) else f"{backend.__module__}.{backend.__qualname__}"


def _old_style(settings: Settings, django_version: tuple[Any, ...]) -> bool:
    """Tell whether the settings before STORAGES count: Django 5.1 ignores them; 4.2 wants one."""
    old = "STATICFILES_STORAGE" in settings or "DEFAULT_FILE_STORAGE" in settings
    return django_version < (5, 1) and old and "STORAGES" not in settings


def _readable_by_nginx(settings: Settings) -> None:
    # Large uploads are moved from a 0600 temporary file, and directories follow the umask: nginx,
    # another user, has to read both whatever the project or the unit says.
    settings["FILE_UPLOAD_PERMISSIONS"] = 0o644
    if settings.get("FILE_UPLOAD_DIRECTORY_PERMISSIONS") is None:
        settings["FILE_UPLOAD_DIRECTORY_PERMISSIONS"] = 0o755


def _logging(settings: Settings) -> None:
    # Another LOGGING_CONFIG (None, or a function) means that the project sets logging up itself.
    if settings.get("LOGGING_CONFIG", "logging.config.dictConfig") == "logging.config.dictConfig":
        project, files = move_log_files(settings.get("LOGGING") or {}, CODE)
        settings["LOGGING"] = logging_config(project)
        if files:
            settings["ESPALIER_LOG_FILES"] = files


def _split(text: str | None) -> list[str]:
    return [part.strip() for part in (text or "").split(",") if part.strip()]


def _unique(values: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(values))


def _ends_with_slash(url: str) -> str:
    return url if url.endswith("/") else f"{url}/"
