"""The key exchange that pyinfra's paramiko lacks."""

from __future__ import annotations

import hashlib
from importlib.metadata import requires, version

import paramiko
import pytest
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from paramiko.message import Message

from espalier.rollout.key_exchange import NAME, KexMlkem768X25519, QuantumSafeTransport


class Server:
    """A connection whose other end answers as RFC and draft say."""

    server_mode = False
    local_version, remote_version, local_kex_init, remote_kex_init = "C", "S", b"c", b"s"

    def __init__(self) -> None:
        """Take nothing yet."""
        self.sent: list[Message] = []
        self.checked: list[tuple[bytes, bytes]] = []

    def _send_message(self, message: Message) -> None:
        self.sent.append(message)

    def _expect_packet(self, number: int) -> None:
        assert number == 31

    def _set_K_H(self, secret: bytes, digest: bytes) -> None:
        self.secret, self.digest = secret, digest

    def _verify_key(self, key: bytes, signature: bytes) -> None:
        self.checked.append((key, signature))

    def _activate_outbound(self) -> None:
        assert self.checked, "the host key is checked first"


def test_both_ends_get_the_same_secret() -> None:
    server = Server()
    exchange = KexMlkem768X25519(server)  # type: ignore[arg-type]
    exchange.start_kex()
    sent = Message(server.sent[0].asbytes()[1:]).get_string()
    quantum_safe, ciphertext = MLKEM768PublicKey.from_public_bytes(sent[:1184]).encapsulate()
    own = X25519PrivateKey.generate()
    classic = own.exchange(X25519PublicKey.from_public_bytes(sent[1184:]))
    answer = Message()
    for part in (b"host key", ciphertext + own.public_key().public_bytes_raw(), b"signature"):
        answer.add_string(part)
    exchange.parse_next(31, Message(answer.asbytes()))
    assert server.secret == hashlib.sha256(quantum_safe + classic).digest()
    assert server.checked == [(b"host key", b"signature")]


def test_answer_that_is_cut_off_is_refused() -> None:
    exchange = KexMlkem768X25519(Server())  # type: ignore[arg-type]
    answer = Message()
    for part in (b"host key", b"short", b"signature"):
        answer.add_string(part)
    with pytest.raises(paramiko.SSHException, match="got 5 bytes"):
        exchange.parse_next(31, Message(answer.asbytes()))


def test_it_is_offered_first() -> None:
    assert QuantumSafeTransport._preferred_kex[0] == NAME
    assert QuantumSafeTransport._kex_info[NAME] is KexMlkem768X25519


def test_module_is_still_needed() -> None:
    """Delete it where this fails: paramiko has the key exchange from 5.1 on."""
    assert int(version("paramiko").split(".")[0]) < 5
    assert any(one.startswith("paramiko<5") for one in requires("pyinfra") or ())
