"""The key exchange mlkem768x25519-sha256 for paramiko, through which pyinfra connects.

A hardened Debian 13 offers key exchanges only that a quantum computer cannot undo. paramiko has one
of them from 5.1 on, and pyinfra takes no paramiko from 5.0 on. With a pyinfra that does, this
module is to be deleted.

Source: draft-ietf-sshm-mlkem-hybrid-kex. The parts themselves are those of `cryptography`.
"""

from __future__ import annotations

import hashlib
from typing import Any, ClassVar

from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from paramiko import SSHException, Transport, client
from paramiko.message import Message

NAME = "mlkem768x25519-sha256"
INIT, REPLY = 30, 31  # the numbers of both messages
CIPHERTEXT = 1088  # bytes of ML-KEM-768; those of X25519 follow
PUBLIC = 32


class KexMlkem768X25519:
    """One exchange, as the client of one connection."""

    name = NAME

    def __init__(self, transport: Transport) -> None:
        """Take the connection; `start_kex` begins."""
        self.transport: Any = transport
        self.quantum_safe = MLKEM768PrivateKey.generate()
        self.classic = X25519PrivateKey.generate()
        self.sent = (
            self.quantum_safe.public_key().public_bytes_raw()
            + self.classic.public_key().public_bytes_raw()
        )

    def start_kex(self) -> None:
        """Send both public keys."""
        if self.transport.server_mode:
            raise SSHException(f"{NAME} is for clients here")
        message = Message()
        message.add_byte(bytes([INIT]))
        message.add_string(self.sent)
        self.transport._send_message(message)
        self.transport._expect_packet(REPLY)

    def parse_next(self, number: int, message: Message) -> None:
        """Read the server's answer, and check that its host key has signed all of this.

        Raises:
            SSHException: the answer is no such answer, or the signature is not that key's.
        """
        if number != REPLY:
            raise SSHException(f"{NAME} got message {number}")
        host_key, answer, signature = (
            message.get_string(),
            message.get_string(),
            message.get_string(),
        )
        if len(answer) != CIPHERTEXT + PUBLIC:
            raise SSHException(f"{NAME} got {len(answer)} bytes")
        # The library refuses a public key of low order by itself (RFC 7748, section 6.1).
        shared = self.quantum_safe.decapsulate(answer[:CIPHERTEXT])
        try:
            shared += self.classic.exchange(X25519PublicKey.from_public_bytes(answer[CIPHERTEXT:]))
        except ValueError as error:
            raise SSHException(f"{NAME} got a weak public key") from error
        secret = hashlib.sha256(shared).digest()
        of = self.transport
        hashed = Message()
        hashed.add(of.local_version, of.remote_version, of.local_kex_init, of.remote_kex_init)
        for part in (host_key, self.sent, answer, secret):
            hashed.add_string(part)
        of._set_K_H(secret, hashlib.sha256(hashed.asbytes()).digest())
        of._verify_key(host_key, signature)
        of._activate_outbound()


class QuantumSafeTransport(Transport):
    """paramiko's connection, which offers that key exchange first."""

    _preferred_kex = (NAME, *Transport._preferred_kex)  # type: ignore[attr-defined]
    _kex_info: ClassVar = {**Transport._kex_info, NAME: KexMlkem768X25519}  # type: ignore[attr-defined]

    def _compute_key(self, letter: str, size: int) -> bytes:
        """Derive a key (RFC 4253, section 7.2); here the secret is a string, and no number."""
        if not isinstance(self.K, bytes):
            return bytes(super()._compute_key(letter, size))  # type: ignore[misc]
        secret = Message()
        secret.add_string(self.K)
        beginning = secret.asbytes() + self.H
        found = hashlib.sha256(beginning + letter.encode() + self.session_id).digest()
        while len(found) < size:
            found += hashlib.sha256(beginning + found).digest()
        return found[:size]


def use_it() -> None:
    """Have all further connections of paramiko offer it, those to bastions too."""
    client.Transport = QuantumSafeTransport  # type: ignore[attr-defined]
