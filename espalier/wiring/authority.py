"""The site's own certificate authority: by it machines know each other.

Its key and certificate are one secret, in one line: `<key>.<certificate>`, each as DER in base64. A
certificate of a machine is for the address at which others reach it.
"""

from __future__ import annotations

import base64
import contextlib
import datetime
import ipaddress
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from espalier.inventory.secret_files import first_use

# Where machines keep what they trust, and below the same directory their own certificate.
DIRECTORY = "/etc/espalier/tls"
TRUSTED = f"{DIRECTORY}/authority.crt"
# Of each machine that answers for Django: nginx knows one name for all of an upstream.
PROXY_NAME = "django.espalier.internal"
# A machine that nobody has converged for a year goes on working for another one.
LIFETIME = datetime.timedelta(days=730)
RENEWED_BEFORE = datetime.timedelta(days=365)
AUTHORITY_LIFETIME = datetime.timedelta(days=3650)
# A machine's clock may be behind.
CLOCK = datetime.timedelta(hours=1)


class Authority(NamedTuple):
    """A certificate authority: its private key, and the certificate that machines trust."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate


def generate_authority(now: datetime.datetime | None = None) -> str:
    """Return a new authority, as the secret's one line."""
    now = now or datetime.datetime.now(datetime.UTC)
    key = ec.generate_private_key(ec.SECP256R1())
    # Machines trust several while one takes another's place, and tell them by their names.
    serial = x509.random_serial_number()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"Espalier {serial:x}"[:32])])
    usage = x509.KeyUsage(*(use in ("sign", "revoke") for use in _USES))
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(serial)
        .not_valid_before(now - CLOCK)
        .not_valid_after(now + AUTHORITY_LIFETIME)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    der = key.private_bytes(
        serialization.Encoding.DER,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    parts = der, certificate.public_bytes(serialization.Encoding.DER)
    return ".".join(base64.b64encode(part).decode() for part in parts)


# The arguments of x509.KeyUsage, in order.
_USES = ("digital", "content", "key", "data", "agree", "sign", "revoke", "encipher", "decipher")


def authority_secret(directory: str | Path) -> str:
    """Return the authority that an inventory's `.secrets` has; made at its first use.

    Raises:
        SiteError: it cannot be read.
    """
    return first_use(directory, "authority", generate_authority)


def read_authority(secret: str) -> Authority:
    """Return the authority of a secret.

    Raises:
        ValueError: it is none.
    """
    try:
        der, certificate = (base64.b64decode(part, validate=True) for part in secret.split("."))
        key = serialization.load_der_private_key(der, None)
        found = x509.load_der_x509_certificate(certificate)
    except (ValueError, TypeError) as error:
        raise ValueError(
            "The secret `authority` (the file of that name in .secrets, or vault_authority) is not "
            "as the kit has made it. Take it from a colleague or a backup."
        ) from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError("The secret `authority` holds a key of another kind than the kit makes.")
    return Authority(key, found)


def trusted_certificate(secret: str) -> str:
    """Return what machines trust, in PEM: the certificate of an authority."""
    return _pem(read_authority(secret).certificate)


def trusted_before(recorded: str, planned: str) -> str:
    """Return what a machine trusts beside what is planned, both in PEM; "" is nothing."""
    if not recorded:
        return ""
    found = map(_pem, x509.load_pem_x509_certificates(recorded.encode()))
    return "".join(one for one in found if one not in planned)


def is_due(pem: str, secret: str, names: Sequence[str], now: datetime.datetime) -> bool:
    """Tell whether a machine needs a new certificate.

    Args:
        pem: the certificate that it has, "" for none.
        secret: the authority that has to have signed it.
        names: addresses and names that it has to be for.
        now: with a time zone.
    """
    if not pem:
        return True
    certificate = x509.load_pem_x509_certificate(pem.encode())
    authority = read_authority(secret)
    try:
        certificate.verify_directly_issued_by(authority.certificate)
    except (InvalidSignature, ValueError):
        return True
    found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    if list(found.value) != _general_names(names):
        return True
    ends = certificate.not_valid_after_utc
    if ends <= now:
        return True
    # Near the end of the authority a new one would last no longer.
    return ends - now < RENEWED_BEFORE and ends < _end(authority, now)


def sign(request: str, secret: str, names: Sequence[str], now: datetime.datetime) -> str:
    """Return a machine's certificate, in PEM.

    Args:
        request: the machine's certificate signing request, in PEM. Its key is taken, and nothing
            else that it says.
        secret: the authority.
        names: addresses and names that it is for.
        now: with a time zone.

    Raises:
        ValueError: the request does not prove that whoever made it has the key; or the authority
            is over.
    """
    authority, asked = read_authority(secret), x509.load_pem_x509_csr(request.encode())
    if (end := authority.certificate.not_valid_after_utc) <= now:
        raise ValueError(
            f"The site's authority (the secret `authority`) has ended on {end:%Y-%m-%d}: "
            "`espalier secrets rotate authority` makes another one."
        )
    if not asked.is_signature_valid:
        raise ValueError("The request for a certificate is not signed by its own key.")
    uses = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key())
    certificate = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])]))
        .issuer_name(authority.certificate.subject)
        .public_key(asked.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCK)
        .not_valid_after(_end(authority, now))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage(uses), critical=False)
        .add_extension(x509.SubjectAlternativeName(_general_names(names)), critical=False)
        .add_extension(identifier, critical=False)
        .sign(authority.key, hashes.SHA256())
    )
    return _pem(certificate)


def _end(authority: Authority, now: datetime.datetime) -> datetime.datetime:
    """Return until when a certificate lasts that the authority signs now."""
    return min(now + LIFETIME, authority.certificate.not_valid_after_utc)


def _general_names(names: Sequence[str]) -> list[x509.GeneralName]:
    """Return names as a certificate has them; an address as a name too.

    libpq before version 15, which old drivers bring with them, compares an address with names only.
    """
    found: list[x509.GeneralName] = []
    for name in names:
        with contextlib.suppress(ValueError):
            found.append(x509.IPAddress(ipaddress.ip_address(name)))
        found.append(x509.DNSName(name))
    return found


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()
