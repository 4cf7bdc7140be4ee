"""The site's account at a certificate authority: one key, made of one secret.

A secret of the kit's is letters and digits on one line, wherever it is kept. The account's key (EC,
P-256) is derived from it, so that every web machine has the same one, and no other kind of secret
has to be made, encrypted or rotated.
"""

from __future__ import annotations

import base64
import hashlib
import json
from typing import TypedDict

from cryptography.hazmat.primitives.asymmetric import ec

ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551  # of P-256


class Account(TypedDict):
    """The private key as a JWK, in JSON; and the thumbprint of the public one (RFC 7638)."""

    key: str
    thumbprint: str


def acme_account(secret: str) -> Account:
    """Return the account's key, and what answers HTTP-01 challenges made for it.

    Args:
        secret: at least 40 letters and digits.

    Raises:
        ValueError: it is too short for a key.
    """
    if len(secret) < 40:
        raise ValueError("the secret acme_account is too short: it has 40 characters or more")
    # 512 bits over an order of 256: no value is more likely than another one (FIPS 186-5, A.2.1).
    number = int.from_bytes(hashlib.sha512(b"espalier acme\0" + secret.encode()).digest())
    scalar = number % (ORDER - 1) + 1
    point = ec.derive_private_key(scalar, ec.SECP256R1()).public_key().public_numbers()
    public = {"crv": "P-256", "kty": "EC", "x": _base64url(point.x), "y": _base64url(point.y)}
    # RFC 7638: these members alone, in this order, without spaces.
    digest = hashlib.sha256(json.dumps(public, separators=(",", ":")).encode()).digest()
    key = json.dumps(public | {"d": _base64url(scalar)}, sort_keys=True)
    return {"key": key, "thumbprint": _encoded(digest)}


def _base64url(number: int) -> str:
    return _encoded(number.to_bytes(32))


def _encoded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
