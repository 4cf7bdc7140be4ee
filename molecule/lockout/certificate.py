"""A certificate of one's own, and its authority."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


class Own:
    """Files beside an inventory, for a name, signed by an authority that is made here."""

    def __init__(self, directory: Path, name: str) -> None:
        """Make the authority; no file is written yet."""
        self._directory, self._name = directory, name
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "An authority")])
        self.authority = directory.parent / "authority.pem"
        usage = x509.KeyUsage(
            *(False,) * 5,
            key_cert_sign=True,
            crl_sign=True,
            encipher_only=False,
            decipher_only=False,
        )
        root = (
            self._begun(self._issuer, self._key.public_key(), -100, 100)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(usage, critical=True)
            .sign(self._key, hashes.SHA256())
        )
        self.authority.write_bytes(root.public_bytes(serialization.Encoding.PEM))

    def write(
        self,
        names: Sequence[str] = (),
        begins: float = -1,
        ends: float = 89,
        password: bytes = b"",
    ) -> None:
        """Write a certificate and its key, valid from and until some days from now."""
        key = ec.generate_private_key(ec.SECP256R1())
        found = [x509.DNSName(name) for name in names or [self._name]]
        certificate = (
            self._begun(x509.Name([]), key.public_key(), begins, ends)
            .add_extension(x509.SubjectAlternativeName(found), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        pem = serialization.Encoding.PEM
        lock: serialization.KeySerializationEncryption = serialization.NoEncryption()
        if password:
            lock = serialization.BestAvailableEncryption(password)
        form = serialization.PrivateFormat.PKCS8
        (self._directory / "shop.pem").write_bytes(certificate.public_bytes(pem))
        (self._directory / "shop.key").write_bytes(key.private_bytes(pem, form, lock))

    def _begun(
        self, subject: x509.Name, key: ec.EllipticCurvePublicKey, begins: float, ends: float
    ) -> x509.CertificateBuilder:
        now = datetime.datetime.now(datetime.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._issuer)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + datetime.timedelta(days=begins))
            .not_valid_after(now + datetime.timedelta(days=ends))
        )
