"""Redis' own figures: of the cache, and of the queue (RESP 2, redis.io, Protocol spec).

The role gives each redis a user of its own for this, which may ask for figures only. Its password
follows from what the configuration keeps of the project's: who reads that file may ask.
"""

from __future__ import annotations

import re
import socket
import time
from pathlib import Path
from typing import Any

from espalier_machine.insight.files import Differences, read_text

CACHE = Path("/etc/redis/redis.conf")
QUEUE = Path("/etc/redis/redis-queue.conf")
USER = "espalier_insight"
_PATIENCE = 0.5  # seconds
_AGAIN = 10.0
_LISTS_EVERY = 5.0
_KEYS = 200  # that are looked through for lists
_MIB = 1 << 20
# Lists in a queue's redis that are no queues: what Celery keeps beside them.
_NOT_QUEUES = ("unacked", "_kombu.")


class RedisError(Exception):
    """Redis refused, failed or kept silent."""


def password(config: str) -> str:
    """The password of our user, from the configuration; "" where there is no such user."""
    if not re.search(rf"^user {USER} ", config, re.MULTILINE):
        return ""
    import hashlib  # with OpenSSL: three MiB, where there is a redis

    found = re.search(rf"^user (?!{USER} |default )\S+ .*?#([0-9a-f]{{64}})", config, re.MULTILINE)
    return hashlib.sha256(f"insight {found[1]}".encode()).hexdigest() if found else ""


def place(config: str) -> tuple[str, int]:
    """An address and the port where it listens."""
    bind = re.search(r"^bind (.+)$", config, re.MULTILINE)
    port = re.search(r"^port (\d+)$", config, re.MULTILINE)
    addresses = bind[1].split() if bind else []
    known = [address for address in addresses if address != "*"]
    local = [address for address in known if address.startswith(("127.", "::1"))]
    return (local or known or ["127.0.0.1"])[0], int(port[1]) if port else 6379


def info(text: str) -> dict[str, str]:
    """INFO's answer by name."""
    pairs = (line.partition(":") for line in text.splitlines() if not line.startswith("#"))
    return {name: value for name, _, value in pairs if value}


class Client:
    """One connection; each question waits for its answer, half a second at most."""

    def __init__(self, config: Path) -> None:
        """Take where its configuration is; it connects at the first question."""
        self._config = config
        self._socket: socket.socket | None = None
        self._buffer = b""

    def ask(self, *words: str) -> Any:
        """One command; RedisError where it fails."""
        try:
            if self._socket is None:
                self._connect()
            return self._ask(*words)
        except OSError as error:
            self.close()
            raise RedisError(str(error) or "no answer") from None

    def _connect(self) -> None:
        own = self._config.with_name(
            f"insight-{self._config.name}"
        )  # redis reads it with the other
        config = read_text(self._config) + read_text(own)
        self._buffer = b""
        self._socket = socket.create_connection(place(config), _PATIENCE)
        secret = password(config)
        if not secret:
            return
        try:
            self._ask("AUTH", USER, secret)
        except RedisError:
            self.close()
            raise RedisError(
                "it runs since before it was given a user for this, and has it from its next start "
                "on"
            ) from None

    def _ask(self, *words: str) -> Any:
        assert self._socket
        parts = [f"*{len(words)}\r\n".encode()]
        for word in words:
            raw = word.encode()
            parts.append(b"$%d\r\n%s\r\n" % (len(raw), raw))
        self._socket.sendall(b"".join(parts))
        return self._read()

    def _read(self) -> Any:
        line = self._until(b"\r\n")
        kind, rest = line[:1], line[1:].decode(errors="replace")
        if kind == b"-":
            raise RedisError(rest)
        if kind == b"$":
            return None if int(rest) < 0 else self._exactly(int(rest)).decode(errors="replace")
        if kind == b"*":
            return [self._read() for _ in range(int(rest))]
        return int(rest) if kind == b":" else rest

    def _until(self, end: bytes) -> bytes:
        while end not in self._buffer:
            self._receive()
        line, _, self._buffer = self._buffer.partition(end)
        return line

    def _exactly(self, size: int) -> bytes:
        while len(self._buffer) < size + 2:
            self._receive()
        found, self._buffer = self._buffer[:size], self._buffer[size + 2 :]
        return found

    def _receive(self) -> None:
        assert self._socket
        came = self._socket.recv(65536)
        if not came:
            raise ConnectionError("it closed the connection")
        self._buffer += came

    def close(self) -> None:
        """End the connection."""
        if self._socket:
            self._socket.close()
            self._socket = None


class Redis:
    """One instance: the figures of a cache, or how many jobs wait in a queue."""

    def __init__(self, name: str, config: Path, errors: list[str]) -> None:
        """Take its name for sentences, and its configuration."""
        self._name, self._errors = name, errors
        self._client = Client(config)
        self._differences = Differences()
        self._failed = -_AGAIN
        self._counted = -_LISTS_EVERY
        self._queues: dict[str, int] = {}

    def figures(self, dt: float) -> dict[str, float] | None:
        """recording.Redis since the last call; None where it cannot be asked."""
        text = self._ask("INFO")
        if not isinstance(text, str):
            return None
        found = info(text)

        def number(name: str) -> float:
            return float(found.get(name, 0))

        grown = self._differences(
            operations=number("total_commands_processed"),
            hits=number("keyspace_hits"),
            misses=number("keyspace_misses"),
            evicted=number("evicted_keys"),
            rejected=number("rejected_connections"),
            cpu=number("used_cpu_user") + number("used_cpu_sys"),
        )
        return {name: value / dt for name, value in grown.items()} | {
            "blocked_clients": number("blocked_clients"),
            "memory_mb": number("used_memory") / _MIB,
            "limit_mb": number("maxmemory") / _MIB,
        }

    def queues(self, _: float = 1.0) -> dict[str, int]:
        """Jobs that wait, by list; counted every five seconds, whatever the sample's length."""
        if time.monotonic() - self._counted >= _LISTS_EVERY:
            self._counted = time.monotonic()
            found = self._ask("SCAN", "0", "COUNT", str(_KEYS), "TYPE", "list")
            keys = found[1][:_KEYS] if isinstance(found, list) and len(found) == 2 else []
            lengths = {key: self._ask("LLEN", key) for key in keys if is_queue(key)}
            self._queues = {k: n for k, n in lengths.items() if isinstance(n, int)}
        return self._queues

    def _ask(self, *words: str) -> Any:
        if time.monotonic() - self._failed < _AGAIN:
            return None
        try:
            return self._client.ask(*words)
        except RedisError as error:
            self._failed = time.monotonic()
            sentence = f"{self._name} was not asked for a while: {error}."
            if sentence not in self._errors:
                self._errors.append(sentence)
            return None

    def close(self) -> None:
        """End the connection."""
        self._client.close()


def is_queue(key: str) -> bool:
    """Whether a list may be a queue of jobs, whose name may be told: none of a single client."""
    return not key.startswith(_NOT_QUEUES) and len(key) <= 60 and "@" not in key
