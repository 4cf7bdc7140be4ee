"""The requests of nginx's log that came while it was recorded, without what tells of persons."""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

try:
    from _blake2 import blake2b  # hashlib's, without OpenSSL, which takes three MiB
except ImportError:
    from hashlib import blake2b

from espalier_machine.insight import mask

LOG = Path("/var/log/nginx/access.log")
MOST = 50_000  # requests that are kept
_PROBES = ("/-/alive", "/-/ready")
_TIMING = {  # column of recording.Request -> name in the header
    "cpu": "cpu",
    "waited": "wait",
    "database": "db",
    "queries": "queries",
    "writes": "writes",
    "connects": "connects",
    "connecting": "connecting",
    "caching": "cache",
    "hits": "hits",
    "misses": "misses",
    "outside": "outside",
    "pid": "pid",
}
_WHOLE = {"queries", "writes", "connects", "hits", "misses", "pid"}


class Log:
    """Where the log ended when the recording began."""

    def __init__(self, path: Path = LOG) -> None:
        """Remember its end."""
        self._path = path
        try:
            found = path.stat()
            self._inode, self._offset = found.st_ino, found.st_size
        except OSError:
            self._inode, self._offset = 0, 0

    def files(self) -> list[tuple[Path, int]]:
        """What to read now, from where on: after a rotation the old file, and the new one."""
        try:
            current = self._path.stat()
        except OSError:
            return []
        if current.st_ino == self._inode:
            return [(self._path, self._offset if current.st_size >= self._offset else 0)]
        found: list[tuple[Path, int]] = [(self._path, 0)]
        for path in self._path.parent.glob(f"{self._path.name}*"):
            if self._inode and path.stat().st_ino == self._inode:
                found.insert(0, (path, self._offset))
        return found

    def lines(self) -> Iterator[bytes]:
        """The lines that have come, but those of probes."""
        for path, offset in self.files():
            with path.open("rb") as file:
                file.seek(offset)
                for line in file:
                    if b'"uri":"/-/' not in line or not is_probe(line):
                        yield line

    def every(self) -> int:
        """Of how many requests one is kept."""
        return max(1, -(-sum(1 for _ in self.lines()) // MOST))

    def rows(self, salt: str, every: int) -> Iterator[list[Any]]:
        """A recording.Request each, in its order of columns."""
        for number, line in enumerate(self.lines()):
            if number % every == 0 and (row := request(line, salt)):
                yield row


def is_probe(line: bytes) -> bool:
    """Whether the kit itself asked whether the site lives."""
    return any(f'"uri":"{probe}'.encode() in line for probe in _PROBES)


def seconds(text: str) -> float | None:
    """The sum of a list of nginx, such as "0.010, 0.020 : 0.001"; None where it has no number."""
    found = []
    for word in text.replace(",", " ").replace(":", " ").split():
        try:
            found.append(float(word))
        except ValueError:
            continue  # "-"
    return sum(found) if found else None


def timing(text: str) -> dict[str, str]:
    """The overlay's header, by name; of several upstreams, the last one's."""
    last = text.rpartition(", ")[2] if ", " in text else text
    pairs = (word.partition("=") for word in last.split(";"))
    return {name.strip(): value for name, _, value in pairs if value}


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0


def request(line: bytes, salt: str) -> list[Any] | None:
    """One line as a row; None where it is no request of ours."""
    try:
        found = json.loads(line)
        t = datetime.datetime.fromisoformat(found["time"]).timestamp()
        uri, status = found["uri"], int(found["status"])
        took, size = float(found["request_time"]), int(found["bytes"])
        method, host = found["method"], found["host"]
    except (ValueError, KeyError, TypeError):
        return None
    upstream = seconds(found.get("upstream_time", ""))
    # An answer out of nginx's cache has the header of the request that filled it.
    told = timing(found.get("timing", "")) if upstream is not None else {}
    times: list[Any] = [
        int(_number(told.get(name, ""))) if column in _WHOLE else _number(told.get(name, ""))
        for column, name in _TIMING.items()
    ]
    if told:
        # The header's time in the database is without connecting; a Request's is with it.
        times[2] += _number(told.get("connecting", ""))
    # Its own salt has 16 bytes at most; this is the same with any.
    key = blake2b(f"{salt}{host}{uri}".encode(), digest_size=8).hexdigest()
    cache = found.get("cache", "")
    return [
        t,
        mask.path(uri),
        key,
        method if method.isalpha() else "",
        status,
        size,
        took,
        upstream,
        seconds(found.get("connect_time", "")) or 0.0,
        "" if cache == "-" else cache,
        found.get("personal") == "yes",
        _last(found.get("upstream", "")),
        told.get("view", ""),
        _number(told["app"]) if "app" in told else None,
        *times,
    ]


def _last(upstreams: str) -> str:
    """Of "a, b : c" the last, which answered."""
    words = upstreams.replace(" : ", ", ").split(", ")
    return "" if words[-1] == "-" else words[-1].strip()
