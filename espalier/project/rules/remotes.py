"""Rules for where requirements come from: `index`, `logins`, `deploy_key`."""

from __future__ import annotations

import base64
import re
import urllib.parse
from collections.abc import Mapping, Sequence
from typing import Any

from espalier.project.rules.basics import InvalidValue, dictionary, list_of, text_of
from espalier.project.words import kind_of, without_password

# What a netrc file holds without quotes, and uv, git and curl read alike.
_LOGIN = r"[^\s\"\\:]+(:[^\s\"\\]+)?"
OPENSSH = b"openssh-key-v1\0"
_EXAMPLE = '{pypi.example.com: "user:{{ vault_index_password }}"}'


def index(value: Any) -> tuple[str, ...]:
    """Addresses of Python indexes, perhaps with a login in them; one may stand without a list."""
    return list_of(_url, "[https://pypi.example.com/simple/]")(
        [value] if isinstance(value, str) else value
    )


def _url(value: Any) -> str:
    text = text_of(value)
    parts = urllib.parse.urlsplit(text)
    if parts.scheme not in ("https", "http") or not parts.hostname or " " in text:
        raise InvalidValue(
            f'"{without_password(text)}" is not the address of a Python index such as '
            "https://pypi.example.com/simple/."
        )
    return text


def logins(value: Any) -> dict[str, str]:
    """Host -> user:password, or a token alone."""
    return {_host(host): _login(host, login) for host, login in dictionary(value, _EXAMPLE).items()}


def _host(value: Any) -> str:
    if isinstance(value, str) and re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9.-]*", value):
        return value.lower()
    raise InvalidValue(
        f'"{without_password(str(value))}" is not a host\'s name such as github.com: write it '
        "without https://, port and path."
    )


def _login(host: str, value: Any) -> str:
    # Never the value itself in a sentence.
    if not isinstance(value, str):
        raise InvalidValue(
            f"{host} must be text, and is a {kind_of(value)}: write for example {_EXAMPLE}."
        )
    if not re.fullmatch(_LOGIN, value.strip()):
        raise InvalidValue(
            f"{host}: a login is user:password, or a token alone, without spaces, double quotes "
            "and backslashes."
        )
    return value.strip()


def deploy_key(value: Any) -> str:
    """The text of a private key of SSH, with the line end that ssh wants."""
    text = value.strip() if isinstance(value, str) else ""
    if not re.fullmatch(r"-----BEGIN [A-Z ]*PRIVATE KEY-----\s.*PRIVATE KEY-----", text, re.S):
        raise InvalidValue(
            "is not a private key of SSH (-----BEGIN OPENSSH PRIVATE KEY----- and what follows): "
            'keep it in ansible-vault, and write deploy_key: "{{ vault_deploy_key }}".'
        )
    if "ENCRYPTED" in text or _has_passphrase(text):
        raise InvalidValue(
            "has a passphrase, which nobody could type on a machine: make one without, by "
            'ssh-keygen -t ed25519 -N "" -f deploy_key.'
        )
    return text + "\n"


def _has_passphrase(text: str) -> bool:
    """Whether a key in OpenSSH's own form names a cipher (PROTOCOL.key in its source)."""
    try:
        data = base64.b64decode("".join(text.splitlines()[1:-1]))
    except ValueError:  # ssh tells what is wrong with it
        return False
    return data.startswith(OPENSSH) and not data.startswith(OPENSSH + b"\0\0\0\x04none")


def split_logins(addresses: Sequence[str]) -> tuple[tuple[str, ...], dict[str, str]]:
    """Addresses without the login in them, and the logins: host -> user:password.

    Raises:
        InvalidValue: a login has a character that it cannot have.
    """
    found = {}
    for address in addresses:
        parts = urllib.parse.urlsplit(address)
        if parts.username is not None:
            words = [parts.username, *([parts.password] if parts.password else [])]
            host = _host(parts.hostname)
            found[host] = _login(host, ":".join(map(urllib.parse.unquote, words)))
    return tuple(without_password(address) for address in addresses), found


def name_and_password(login: str) -> tuple[str, str]:
    """The two halves of a login. Forges take a token as the password of any name."""
    name, colon, password = login.partition(":")
    return (name, password) if colon else ("token", login)


def with_login(address: str, known: Mapping[str, str]) -> str:
    """An address with the login that is known for its host, for a program that reads it so."""
    parts = urllib.parse.urlsplit(address)
    if not (login := known.get(parts.hostname or "")):
        return address
    halves = (urllib.parse.quote(half, safe="") for half in name_and_password(login))
    return parts._replace(netloc=f"{':'.join(halves)}@{parts.netloc}").geturl()
