"""A certificate of one's own: whether nginx could serve it, before any machine is touched."""

from __future__ import annotations

import datetime
import ipaddress
import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)


def own_paths(stated: Mapping[str, Any], inventory: str) -> list[str]:
    """Return the paths of the certificate and of its key.

    Args:
        stated: `certificate` of project.yml, checked; [] where it is none of one's own.
        inventory: the directory that they are relative to.
    """
    keys = ("certificate", "key") if stated["kind"] == "own" else ()
    return [str(Path(inventory, Path(stated[key]).expanduser())) for key in keys]


def own_pem(texts: Sequence[str]) -> str:
    """Return key and chain as one text, which nginx reads from one file."""
    return "".join(f"{text.strip()}\n" for text in reversed(texts))


def own_problem(texts: Sequence[str], names: Sequence[str], now: float) -> str:
    """Return what is wrong with a certificate and its key, or "".

    Args:
        texts: the certificate, with what is between it and its authority; and its key. Both PEM.
        names: of the site; all have to be in it.
        now: seconds since 1970.
    """
    chain_text, key_text = texts
    try:
        chain = x509.load_pem_x509_certificates(chain_text.encode())
    except ValueError:
        return (
            "`certificate` has no certificate in PEM's form, which begins with "
            "-----BEGIN CERTIFICATE-----"
        )
    try:
        key = load_pem_private_key(key_text.encode(), None)
    except TypeError:
        return (
            "`key` has a password, and nobody types one when nginx starts: write it without one "
            "(`openssl pkey -in shop.key -out plain.key`), and keep that in ansible-vault"
        )
    except ValueError:
        return "`key` has no private key in PEM's form, such as -----BEGIN PRIVATE KEY-----"
    own = _spki(key.public_key())
    if own != _spki(chain[0].public_key()):
        if any(own == _spki(one.public_key()) for one in chain[1:]):
            return "the chain is in the wrong order: the site's own certificate has to come first"
        return "`key` is the key of another certificate"
    return _validity(chain[0], now) or _missing(chain[0], names) or _order(chain)


def _spki(key: Any) -> bytes:
    return bytes(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


def _validity(leaf: x509.Certificate, now: float) -> str:
    begins, ends = leaf.not_valid_before_utc, leaf.not_valid_after_utc
    at = datetime.datetime.fromtimestamp(now, datetime.UTC)
    if at >= ends:
        return f"it has expired on {ends:%Y-%m-%d}"
    return f"it is valid from {begins:%Y-%m-%d %H:%M} UTC on" if at < begins else ""


def _missing(leaf: x509.Certificate, names: Sequence[str]) -> str:
    try:
        found = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return "it names no host (subjectAltName), which browsers want"
    hosts = [one.lower() for one in found.get_values_for_type(x509.DNSName)]
    addresses = [str(one) for one in found.get_values_for_type(x509.IPAddress)]
    if lacking := [name for name in names if not _covers(name, hosts, addresses)]:
        return f"it is for {', '.join(hosts + addresses)}, and not for {', '.join(lacking)}"
    return ""


def _covers(name: str, hosts: Sequence[str], addresses: Sequence[str]) -> bool:
    try:
        return str(ipaddress.ip_address(name)) in addresses
    except ValueError:
        return name in hosts or f"*.{name.partition('.')[2]}" in hosts


def _order(chain: Sequence[x509.Certificate]) -> str:
    for issued, issuer in itertools.pairwise(chain):
        try:
            issued.verify_directly_issued_by(issuer)
        except (ValueError, TypeError, InvalidSignature):
            return (
                f"the chain is in the wrong order, or lacks one: {_name(issued)} was not issued by "
                f"{_name(issuer)}, which comes next"
            )
    return ""


def _name(certificate: x509.Certificate) -> str:
    return certificate.subject.rfc4514_string() or "a certificate without a name"
