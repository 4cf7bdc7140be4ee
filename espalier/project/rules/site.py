"""Rules for what nginx and the system see: the name, domains, URLs, uploads, cached pages."""

from __future__ import annotations

import contextlib
import ipaddress
import re
from collections.abc import Mapping
from typing import Any

from espalier.inventory.addresses import is_ip_address
from espalier.project.rules.basics import InvalidValue, text_of
from espalier.project.words import kind_of, suggestion, word_set

# Names that Debian, PostgreSQL or the kit already use for a user, a group, a database or a unit.
RESERVED_NAMES = word_set(
    """
    root daemon bin sys sync games man lp mail news uucp proxy backup list irc gnats nobody nogroup
    adm tty disk kmem dialout fax voice cdrom floppy tape sudo audio dip operator src shadow utmp
    video sasl plugdev staff users input sgx kvm render crontab netdev ssh sshd messagebus polkitd
    systemd syslog dbus tss postfix admin debian ubuntu deploy vagrant ansible espalier
    postgres template0 template1 public none user current_user session_user
    nginx www_data www redis valkey pgbouncer prometheus grafana etcd patroni haproxy keepalived
    """
)


def project_name(value: Any) -> str:
    """A name for a system user, a database and units."""
    name = text_of(value)
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,30}", name):
        raise InvalidValue(
            f'"{name}" cannot name a user, a database and services: write a lower-case letter '
            "followed by at most 30 lower-case letters, digits or _."
        )
    if name in RESERVED_NAMES or name.startswith(("pg_", "systemd_")):
        raise InvalidValue(
            f'"{name}" already means something to Debian, PostgreSQL or this kit: choose another, '
            f'for example "{name[:25]}_site".'
        )
    return name


def domain(value: Any) -> str:
    """A host name in lower case, or an IP address in its shortest form, without brackets."""
    text = text_of(value).lower()
    bare = re.sub(r"^[a-z][a-z0-9+.-]*://", "", text)
    if bare != text:
        host = re.split(r"[/:]", bare)[0]
        raise InvalidValue(f'"{text}" has a scheme: write the host name alone: {host}')
    if "/" in text:
        raise InvalidValue(f'"{text}" has a path: write the host name alone: {text.split("/")[0]}')
    with contextlib.suppress(ValueError):
        return str(ipaddress.ip_address(text.strip("[]")))
    if re.fullmatch(r"(\[.*\]|[^:]+):\d+", text):
        host = text.rpartition(":")[0]
        raise InvalidValue(f'"{text}" has a port: write the host name alone: {host}')
    if text.startswith((".", "*")):
        raise InvalidValue(
            f'"{text}" stands for many names: write a host name that the site answers.'
        )
    if not text.isascii():
        with contextlib.suppress(UnicodeError):
            ascii_form = text.encode("idna").decode()
            raise InvalidValue(
                f'"{text}" has letters outside ASCII: write its ASCII form: {ascii_form}'
            )
    label = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
    last = text.rpartition(".")[2]
    if not re.fullmatch(rf"{label}(\.{label})*", text) or len(text) > 253 or last.isdigit():
        raise InvalidValue(
            f'"{text}" is neither a host name nor an IP address: write for example '
            "shop.example.com or 203.0.113.10."
        )
    return text


def site_name(value: Any) -> str:
    """A host name, an address, or a wildcard (`*.example.com`) for all names right below a name."""
    text = text_of(value).lower()
    if not text.startswith("*."):
        return domain(text)
    base = domain(text.removeprefix("*."))
    if "." not in base or is_ip_address(base):
        raise InvalidValue(f'"{text}" is no wildcard of a name: write for example *.example.com.')
    return f"*.{base}"


def url_prefix(value: Any) -> str:
    """The beginning of the path of URLs, with a slash at both ends."""
    text = text_of(value)
    if "://" in text or text.startswith("//"):
        raise InvalidValue(
            f'"{text}" is on another site: the kit serves these files itself, under a prefix such '
            "as /static/. A project that uploads to a CDN says so in its own settings."
        )
    if not re.fullmatch(r"/([A-Za-z0-9_-][A-Za-z0-9_.-]*/)+", text):
        guess = "/" + text.strip("/") + "/"
        raise InvalidValue(
            f'"{text}" is not a prefix that starts and ends with a slash: '
            + (f"write {guess}" if re.fullmatch(r"/[A-Za-z0-9_/-]+/", guess) else "write /static/")
        )
    return text


def megabytes(value: Any) -> int:
    """A whole number of megabytes, from 1 to 100000."""
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 100_000:
        raise InvalidValue(
            f"must be a whole number of megabytes between 1 and 100000, not {value!r}."
        )
    return value


_MICROCACHE_EXAMPLE = "[{path: /guide/, seconds: 10}]"


def microcache(value: Any) -> tuple[Mapping[str, Any], ...]:
    """Pages that nginx may answer by itself for some seconds: {"path": prefix, "seconds": int}."""
    if not isinstance(value, list | tuple):
        raise InvalidValue(
            f"must be a list, and is a {kind_of(value)}: write for example {_MICROCACHE_EXAMPLE}."
        )
    pages = tuple(_cached_page(page) for page in value)
    paths = [page["path"] for page in pages]
    for path in paths:
        if paths.count(path) > 1:
            raise InvalidValue(f"{path} is there twice: leave one of them.")
    return pages


def _cached_page(page: Any) -> dict[str, Any]:
    """One prefix of pages that nginx may answer by itself, and for how many seconds."""
    if not isinstance(page, Mapping):
        raise InvalidValue(
            f"each entry must be a dictionary, and one is a {kind_of(page)}: write for example "
            f"{_MICROCACHE_EXAMPLE}."
        )
    keys = ("path", "seconds")
    for key in page:
        if key not in keys:
            raise InvalidValue(
                f"{key} is not a key of an entry: {suggestion(key, keys, 'the keys are')}"
            )
    for key in keys:
        if page.get(key) is None:
            raise InvalidValue(f"an entry lacks `{key}`: write for example {_MICROCACHE_EXAMPLE}.")
    path, seconds = text_of(page["path"]), page["seconds"]
    _check_beginning(path, "/guide/")
    if path.startswith("/-/"):
        raise InvalidValue(
            f"{path} holds the kit's health pages, which must never be old: remove it."
        )
    if isinstance(seconds, bool) or not isinstance(seconds, int) or not 1 <= seconds <= 3600:
        raise InvalidValue(
            f"{path}: `seconds` must be a whole number from 1 to 3600, not {seconds!r}."
        )
    return {"path": path, "seconds": seconds}


def _check_beginning(path: str, example: str) -> None:
    """Refuse what is not the beginning of the path of addresses."""
    if not re.fullmatch(r"/[A-Za-z0-9_.~/-]*", path) or re.search(r"//|/\.\.?(/|$)", path):
        raise InvalidValue(
            f'"{path}" is not the beginning of an address such as {example}: write it with a slash '
            "first, and without host name, query or wildcards."
        )


def login_path(value: Any) -> str:
    """Where passwords are tried: how the path begins."""
    path = text_of(value)
    _check_beginning(path, "/accounts/login/")
    if path == "/":
        raise InvalidValue("/ is every page, whose forms would be limited: name that of the login.")
    return path


def csp(value: Any) -> str:
    """Whether a Content-Security-Policy is tried: `report`, or "" for not."""
    if value is False or value == "off":  # as YAML reads a bare `off`
        return ""
    if value != "report":
        raise InvalidValue(
            f"{value!r} is not known: write `report`, to be told what a Content-Security-Policy "
            "would block, or remove the key. A policy that blocks is the project's own to send."
        )
    return "report"


def media_s3(value: Any) -> dict[str, str]:
    """Check where uploads go, if to an object store. Its keys are secrets, and not in here."""
    example = "{bucket: orchard, endpoint_url: https://s3.example.com, region: eu-1}"
    if not isinstance(value, Mapping):
        raise InvalidValue(f"must be a dictionary; write for example {example}.")
    for key, text in value.items():
        if key in ("access_key", "secret_key"):
            raise InvalidValue(f"{key} is a secret: set vault_s3_{key} in the inventory instead.")
        if key not in ("bucket", "endpoint_url", "region"):
            raise InvalidValue(f"{key} is not one of its keys; write for example {example}.")
        if not isinstance(text, str) or not re.fullmatch(r"\S+", text):
            raise InvalidValue(f"{key} must be text without spaces; write for example {example}.")
    if "bucket" not in value:
        raise InvalidValue(f"lacks the `bucket`; write for example {example}.")
    if not value.get("endpoint_url", "https://").startswith(("https://", "http://")):
        raise InvalidValue("endpoint_url must start with https:// or http://.")
    return dict(value)
