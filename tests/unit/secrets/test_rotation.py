"""A rotation is finished wherever it was cut off, and nothing is in use that is overwritten."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

import pytest

from espalier.secrets.catalog import NAMES, ROTATED, SECRETS, generate, key_in_use
from espalier.secrets.rotation import Changes, begin, drop_old, finish


def made(name: str) -> str:
    return f"new {name}"


def applied(values: Mapping[str, str], changes: Changes) -> dict[str, str]:
    return {name: value for name, value in {**values, **changes}.items() if value is not None}


def cut_off(values: Mapping[str, str], changes: Changes) -> Iterator[dict[str, str]]:
    """What files say after each of the writes, and before the first."""
    for count in range(len(changes) + 1):
        yield applied(values, dict(list(changes.items())[:count]))


def test_database_s_logins_take_turns_and_the_one_in_use_keeps_its_password() -> None:
    values = {"database_password": "a"}
    first = begin("database_password", values, made)
    assert first == {
        "database_password_second": "new database_password",
        "database_login": "second",
    }
    for kept in cut_off(values, first):
        in_use = kept[key_in_use("database_password", kept)]
        assert in_use == ("new database_password" if "database_login" in kept else "a")
    values = applied(values, first)
    second = begin("database_password", values, made)
    assert second == {"database_password": "new database_password", "database_login": "first"}
    assert finish("database_password", values) == {}


def test_secret_key_is_known_everywhere_before_anything_is_signed_with_it() -> None:
    values = {"secret_key": "a", "secret_key_old": "z"}
    first = begin("secret_key", values, made)
    assert first == {"secret_key_next": "new secret_key"}
    values = applied(values, first)
    assert begin("secret_key", values, made) == {}
    last = finish("secret_key", values)
    assert applied(values, last) == {"secret_key": "new secret_key", "secret_key_old": "a"}
    for kept in cut_off(values, last):
        # Whatever is signed with either key stays valid, and the same command ends the same way.
        assert {"a", "new secret_key"} <= set(kept.values())
        assert applied(kept, finish("secret_key", kept)) == applied(values, last)
    assert drop_old(applied(values, last)) == {"secret_key_old": None}
    assert drop_old({"secret_key": "a"}) == {}


@pytest.mark.parametrize("name", ["redis_password", "media_token"])
def test_old_one_is_accepted_until_every_process_has_the_new_one(name: str) -> None:
    values = {name: "a"}
    first = begin(name, values, made)
    assert first == {f"{name}_old": "a", name: f"new {name}"}
    for kept in cut_off(values, first):
        again = applied(kept, begin(name, kept, made))
        assert again == applied(values, first)
    assert finish(name, applied(values, first)) == {f"{name}_old": None}
    assert finish(name, values) == {}


@pytest.mark.parametrize("name", ["replication_password", "reader_password"])
def test_a_password_that_postgresql_alone_compares_is_written_at_once(name: str) -> None:
    assert begin(name, {name: "a"}, made) == {name: f"new {name}"}
    assert finish(name, {name: "b"}) == {}


def test_secrets_that_can_be_rotated() -> None:
    assert ROTATED == (
        "database_password",
        "secret_key",
        "redis_password",
        "replication_password",
        "reader_password",
        "media_token",
        "authority",
        "acme_account",
    )
    assert {"backup_passphrase", "backup_ssh_key"} == SECRETS.keys() - set(ROTATED)
    # The kit has a place for these, and makes none of them.
    assert {"backup_access_key", "backup_secret_key"} <= set(NAMES) - set(SECRETS)


def test_ssh_key_is_made_as_openssh_writes_it() -> None:
    value = generate("backup_ssh_key")
    lines = value.splitlines()
    assert (lines[0], lines[-1]) == (
        "-----BEGIN OPENSSH PRIVATE KEY-----",
        "-----END OPENSSH PRIVATE KEY-----",
    )
    assert value != generate("backup_ssh_key")


def test_new_values_are_long_and_need_no_quoting() -> None:
    for name, secret in SECRETS.items():
        if name == "backup_ssh_key":  # a file of several lines, as OpenSSH wants it
            continue
        value = generate(name)
        assert len(value) == secret.length >= 40 or name == "authority"
        assert re.fullmatch(r"[A-Za-z0-9+/=.]{40,}", value)
        assert value != generate(name)
