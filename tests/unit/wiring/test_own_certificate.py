"""A certificate of one's own: what is refused, and with which words."""

from __future__ import annotations

import datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from espalier.wiring.own_certificate import own_paths, own_pem, own_problem

NOW = datetime.datetime(2026, 11, 29, tzinfo=datetime.UTC)
DAY = datetime.timedelta(days=1)


def made(
    name: str,
    names: list[str],
    issuer: tuple[str, ec.EllipticCurvePrivateKey] | None = None,
    begins: int = -10,
    ends: int = 90,
) -> tuple[str, ec.EllipticCurvePrivateKey]:
    """A certificate as PEM, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    by, signer = issuer or (name, key)
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, by)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW + begins * DAY)
        .not_valid_after(NOW + ends * DAY)
    )
    if names:
        alternatives = x509.SubjectAlternativeName([x509.DNSName(one) for one in names])
        builder = builder.add_extension(alternatives, critical=False)
    pem = builder.sign(signer, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    return pem.decode(), key


def pem_of(key: ec.EllipticCurvePrivateKey, password: str = "") -> str:
    """A key as PEM."""
    encryption: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if password:
        encryption = serialization.BestAvailableEncryption(password.encode())
    form = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, form, encryption).decode()


ROOT, ROOT_KEY = made("Root", [])
MIDDLE, MIDDLE_KEY = made("Middle", [], ("Root", ROOT_KEY))
LEAF, KEY = made("leaf", ["a.net", "*.b.net"], ("Middle", MIDDLE_KEY))
OLD, OLD_KEY = made("old", ["a.net"], ends=-1)
NEW, NEW_KEY = made("new", ["a.net"], begins=1)
OTHER, OTHER_KEY = made("other", ["a.net"])


def test_what_can_be_served_has_no_problem() -> None:
    texts = [LEAF + MIDDLE, pem_of(KEY)]
    assert own_problem(texts, ["a.net", "www.b.net"], NOW.timestamp()) == ""
    assert own_problem(texts, ["a.net", "*.b.net"], NOW.timestamp()) == ""
    assert own_problem([LEAF, pem_of(KEY)], ["a.net"], NOW.timestamp()) == ""


@pytest.mark.parametrize(
    ("certificate", "key", "names", "words"),
    [
        ("nonsense", pem_of(KEY), ["a.net"], "no certificate in PEM's form"),
        (LEAF, "nonsense", ["a.net"], "no private key in PEM's form"),
        (LEAF, pem_of(KEY, "pear"), ["a.net"], "`key` has a password"),
        (LEAF, pem_of(OTHER_KEY), ["a.net"], "`key` is the key of another certificate"),
        (MIDDLE + LEAF, pem_of(KEY), ["a.net"], "the site's own certificate has to come first"),
        (LEAF + ROOT, pem_of(KEY), ["a.net"], "CN=leaf was not issued by CN=Root"),
        (LEAF, pem_of(KEY), ["c.net"], "it is for a.net, *.b.net, and not for c.net"),
        (LEAF, pem_of(KEY), ["b.net"], "and not for b.net"),
        (LEAF, pem_of(KEY), ["a.net", "*.a.net"], "and not for *.a.net"),
        (LEAF, pem_of(KEY), ["x.www.b.net"], "and not for x.www.b.net"),
        (OLD, pem_of(OLD_KEY), ["a.net"], "it has expired on 2026-11-28"),
        (NEW, pem_of(NEW_KEY), ["a.net"], "it is valid from 2026-11-30"),
        (MIDDLE, pem_of(MIDDLE_KEY), ["a.net"], "it names no host"),
    ],
)
def test_what_cannot_be_served_is_refused(
    certificate: str, key: str, names: list[str], words: str
) -> None:
    assert words in own_problem([certificate, key], names, NOW.timestamp())


def test_one_text_has_the_key_first_and_the_chain_after_it() -> None:
    assert own_pem(["chain\n\n", "key"]) == "key\nchain\n"
    assert own_pem([]) == ""


def test_paths_are_beside_the_inventory() -> None:
    stated = {"kind": "own", "certificate": "tls/shop.pem", "key": "/keys/shop.key"}
    assert own_paths(stated, "/site") == ["/site/tls/shop.pem", "/keys/shop.key"]
    assert own_paths({"kind": "auto"}, "/site") == []
