"""The site's own authority: what it signs, when a machine needs another certificate."""

from __future__ import annotations

import datetime
import subprocess
from collections.abc import Callable
from multiprocessing.pool import ThreadPool
from pathlib import Path

import pytest
from cryptography import x509

from espalier.wiring.authority import (
    authority_secret,
    generate_authority,
    is_due,
    read_authority,
    sign,
    trusted_before,
    trusted_certificate,
)

NOW = datetime.datetime(2026, 11, 29, tzinfo=datetime.UTC)
NAMES = ["10.0.0.5", "db1"]


@pytest.fixture(scope="module")
def secret() -> str:
    """An authority."""
    return generate_authority(NOW)


@pytest.fixture(scope="module")
def request_(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What a machine asks with; its subject is nobody's business."""
    argv = ["openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    argv += ["-nodes", "-subj", "/CN=evil", "-addext", "subjectAltName=DNS:evil"]
    argv += ["-keyout", str(tmp_path_factory.mktemp("key") / "machine.key")]
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout


@pytest.fixture(scope="module")
def certificate(request_: str, secret: str) -> str:
    """A machine's certificate."""
    return sign(request_, secret, NAMES, NOW)


def test_openssl_accepts_a_machine_at_its_address_and_at_no_other(
    certificate: str, secret: str, tmp_path: Path
) -> None:
    trusted, own = tmp_path / "authority.crt", tmp_path / "machine.crt"
    trusted.write_text(trusted_certificate(secret))
    own.write_text(certificate)

    def verified(*arguments: str) -> bool:
        argv = ["openssl", "verify", "-x509_strict", "-purpose", "sslserver"]
        argv += ["-attime", str(int(NOW.timestamp())), "-CAfile", str(trusted), *arguments]
        return subprocess.run([*argv, str(own)], capture_output=True).returncode == 0

    assert verified("-verify_ip", "10.0.0.5")
    assert verified("-verify_hostname", "db1")
    assert verified("-verify_hostname", "10.0.0.5")  # as libpq before version 15 asks
    assert not verified("-verify_ip", "10.0.0.6")
    assert not verified("-verify_hostname", "evil")


def test_a_certificate_is_good_for_two_years_and_due_after_one(
    certificate: str, secret: str
) -> None:
    assert not is_due(certificate, secret, NAMES, NOW)
    assert not is_due(certificate, secret, NAMES, NOW + datetime.timedelta(days=364))
    assert is_due(certificate, secret, NAMES, NOW + datetime.timedelta(days=366))
    found = x509.load_pem_x509_certificate(certificate.encode())
    assert found.not_valid_after_utc - NOW == datetime.timedelta(days=730)


@pytest.mark.parametrize("names", [["10.0.0.6", "db1"], ["10.0.0.5"]])
def test_another_address_or_name_needs_another_certificate(
    certificate: str, secret: str, names: list[str]
) -> None:
    assert is_due(certificate, secret, names, NOW)


def test_nothing_and_another_authority_s_are_due(certificate: str, secret: str) -> None:
    assert is_due("", secret, NAMES, NOW)
    assert is_due(certificate, generate_authority(NOW), NAMES, NOW)


def test_no_certificate_outlives_its_authority(request_: str, secret: str) -> None:
    late = NOW + datetime.timedelta(days=3600)
    found = x509.load_pem_x509_certificate(sign(request_, secret, NAMES, late).encode())
    assert found.not_valid_after_utc == NOW + datetime.timedelta(days=3650)


def test_none_is_due_that_would_last_no_longer(request_: str, secret: str) -> None:
    days = [NOW + datetime.timedelta(days=day) for day in (2800, 2950, 3300, 3649, 3651)]
    before = sign(request_, secret, NAMES, days[0])  # ends on day 3530, before its authority
    assert [is_due(before, secret, NAMES, day) for day in days[:3]] == [False, False, True]
    last = sign(request_, secret, NAMES, days[2])  # ends with it
    assert [is_due(last, secret, NAMES, day) for day in days[2:]] == [False, False, True]


def test_an_authority_that_is_over_names_the_command_for_another_one(
    request_: str, secret: str
) -> None:
    with pytest.raises(ValueError, match=r"ended on 2036-11-26: `espalier secrets rotate auth"):
        sign(request_, secret, NAMES, NOW + datetime.timedelta(days=3651))


def test_during_a_run_the_authority_of_before_is_trusted_too(secret: str) -> None:
    old, new = trusted_certificate(secret), trusted_certificate(generate_authority(NOW))
    assert trusted_before(old, new) == old
    assert trusted_before(new + old, new) == old
    assert trusted_before(new, new) == ""
    assert trusted_before("", new) == ""


def test_who_asks_first_makes_it_for_all(tmp_path: Path) -> None:
    ask: Callable[[object], str] = lambda _: authority_secret(tmp_path / ".secrets")  # noqa: E731
    with ThreadPool(8) as pool:
        found = set(pool.map(ask, range(8)))
    assert len(found) == 1
    assert trusted_certificate(found.pop()).startswith("-----BEGIN CERTIFICATE-----")
    assert [path.name for path in sorted((tmp_path / ".secrets").iterdir())] == [
        ".gitignore",
        "authority",
    ]
    assert (tmp_path / ".secrets/authority").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("secret", ["", "abc", "YQ==.YQ=="])
def test_what_is_no_authority_is_told(secret: str) -> None:
    with pytest.raises(ValueError, match=r"secret `authority`.* as the kit has made it"):
        read_authority(secret)
