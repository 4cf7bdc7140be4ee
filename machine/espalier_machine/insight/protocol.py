"""A session with PostgreSQL or pgbouncer by its unix socket, without waiting for its answers.

The simple query protocol (PostgreSQL documentation, 55.2 Message Flow). A process of psql would
take more memory than all the rest of this program. The server knows the user by the socket: the
session is opened as the system user that may.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import select
import socket
import struct
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path

Row = list[str | None]
_VERSION = 196608  # 3.0
_CONNECTING = 1.0  # seconds
_SILENCE = 5.0  # seconds without an answer, after which a session is given up


class SessionError(Exception):
    """The server refused, failed or kept silent; a sentence."""


class Answer:
    """What one question was answered: the names of columns, the rows, and the error if any."""

    def __init__(self) -> None:
        """Have nothing yet."""
        self.columns: list[str] = []
        self.rows: list[Row] = []
        self.error = ""

    def records(self) -> list[dict[str, str | None]]:
        """Rows by names of columns."""
        return [dict(zip(self.columns, row, strict=False)) for row in self.rows]


class Session:
    """One connection; questions are answered in their order."""

    def __init__(self, directory: Path, port: int, user: str, database: str, system_user: str = ""):
        """Connect and log in; SessionError where nobody listens there.

        `system_user` is who opens the socket, for a server that goes by that; "" is this process.
        """
        self.parameters: dict[str, str] = {}
        self._buffer = bytearray()
        self._open: deque[tuple[Callable[[Answer], None], float]] = deque()
        self._answer = Answer()
        self._socket = socket.socket(socket.AF_UNIX)
        path = directory / f".s.PGSQL.{port}"
        try:
            self._socket.settimeout(_CONNECTING)
            with _as_user(system_user):
                self._socket.connect(str(path))
        except (OSError, KeyError) as error:
            self._socket.close()
            raise SessionError(f"nothing answers at {path}: {error}") from None
        words = {"user": user, "database": database, "application_name": "espalier-insight"}
        body = b"".join(_text(k) + _text(v) for k, v in words.items()) + b"\0"
        self._open.append((lambda answer: None, time.monotonic()))  # answered by being ready
        self._send(struct.pack("!II", len(body) + 8, _VERSION) + body)

    @property
    def is_idle(self) -> bool:
        """Whether every question is answered."""
        return not self._open

    def fileno(self) -> int:
        """Its socket, for select."""
        return self._socket.fileno()

    def send(self, sql: str, then: Callable[[Answer], None]) -> None:
        """Ask; `then` is called by `receive` once it is answered."""
        self._open.append((then, time.monotonic()))
        body = _text(sql)
        self._send(b"Q" + struct.pack("!I", len(body) + 4) + body)

    def ask(self, sql: str, patience: float = _SILENCE) -> Answer:
        """Ask and wait; SessionError after so many seconds, or where the server refuses."""
        found: list[Answer] = []
        self.send(sql, found.append)
        end = time.monotonic() + patience
        while not found:
            left = end - time.monotonic()
            if left <= 0 or not select.select([self], [], [], left)[0]:
                raise SessionError(f"no answer within {patience:g} s")
            self.receive()
        if found[0].error:
            raise SessionError(found[0].error)
        return found[0]

    def check(self) -> None:
        """SessionError where a question has waited for too long."""
        if self._open and time.monotonic() - self._open[0][1] > _SILENCE:
            raise SessionError(f"no answer within {_SILENCE:g} s")

    def receive(self) -> None:
        """Take what has come; SessionError where the session has ended."""
        try:
            came = self._socket.recv(1 << 16)
        except TimeoutError:
            return
        except OSError as error:
            raise SessionError(f"the connection broke: {error}") from None
        if not came:
            raise SessionError(self._answer.error or "the server closed the connection")
        self._buffer += came
        while len(self._buffer) >= 5:
            size = struct.unpack_from("!I", self._buffer, 1)[0]
            if len(self._buffer) < size + 1:
                break
            kind, body = chr(self._buffer[0]), bytes(self._buffer[5 : size + 1])
            del self._buffer[: size + 1]
            self._take(kind, body)

    def _take(self, kind: str, body: bytes) -> None:
        if kind == "D":
            self._answer.rows.append(list(_values(body)))
        elif kind == "T":
            self._answer.columns = list(_names(body))
            self._answer.rows = []  # of several statements in one question, the last one's
        elif kind == "E":
            fields = {part[:1]: part[1:] for part in body.split(b"\0")}
            self._answer.error = fields.get(b"M", b"an error").decode(errors="replace")
        elif kind == "S":
            name, value = body.split(b"\0")[:2]
            self.parameters[name.decode()] = value.decode(errors="replace")
        elif kind == "R" and struct.unpack_from("!I", body)[0] != 0:
            raise SessionError("the server asks for a password, and does not go by the system user")
        elif kind == "Z" and self._open:
            answer, self._answer = self._answer, Answer()
            self._open.popleft()[0](answer)

    def _send(self, message: bytes) -> None:
        try:
            self._socket.sendall(message)
        except OSError as error:
            raise SessionError(f"the connection broke: {error}") from None

    def close(self) -> None:
        """End it."""
        with contextlib.suppress(OSError):
            self._socket.send(b"X\0\0\0\4")
        self._socket.close()


def _text(value: str) -> bytes:
    return value.encode() + b"\0"


def _values(body: bytes) -> Iterator[str | None]:
    (count,) = struct.unpack_from("!H", body)
    at = 2
    for _ in range(count):
        (size,) = struct.unpack_from("!i", body, at)
        at += 4
        if size < 0:
            yield None
        else:
            yield body[at : at + size].decode(errors="replace")
            at += size


def _names(body: bytes) -> Iterator[str]:
    (count,) = struct.unpack_from("!H", body)
    at = 2
    for _ in range(count):
        end = body.index(b"\0", at)
        yield body[at:end].decode(errors="replace")
        at = end + 19  # table, column, type, size, modifier, format


@contextlib.contextmanager
def _as_user(name: str) -> Iterator[None]:
    """Be another user for a moment, which the server sees at the other end of the socket."""
    if not name or os.geteuid() != 0:
        yield
        return
    uid = pwd.getpwnam(name).pw_uid
    os.seteuid(uid)
    try:
        yield
    finally:
        os.seteuid(0)
