"""What was measured: one file, which can be replayed, shared, and put into a test.

Times are seconds of the Unix clock, durations seconds, sizes MiB, rates per second, processor time
cores (seconds of one core in a second). A reading that a machine does not have is None.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, ValidationError

from espalier.insight.readings import Sample

VERSION: Literal[1] = 1


class RecordingError(Exception):
    """A file is no recording that this version can read; a sentence for people."""


class _Part(BaseModel):
    # Unknown keys are of a newer version, which added one.
    model_config = ConfigDict(extra="ignore", frozen=True)


class Request(NamedTuple):
    """One request in nginx's log, of a machine that visitors reach.

    What Django says of it (from `view` on) is 0, "" or None where the overlay does not tell it:
    nginx answered itself, or timing is off.

    Attributes:
        t: when it was answered.
        path: without its query; parts that look like a token or an address are "*".
        key: a hash of the whole address, salted for the recording: what a cache would go by.
        took: what nginx took, with sending the answer to the visitor.
        upstream: what Django took, as nginx saw it; None where nginx answered itself.
        connect: what connecting to Django took.
        cache: nginx' own cache: "HIT", "MISS", …, or "".
        personal: it had a cookie or an authorisation.
        view: the name of the URL pattern, else the dotted name of the view.
        app: from the moment that Django began with it.
        cpu: of that, computing.
        waited: of that, ready to run and without a core.
        database: of that, in the database driver, connecting included.
        queries: how many.
        writes: how many of those change rows.
        connects: connections to the database that it had to open, and `connecting` their seconds.
        caching: of `app`, in the cache's client.
        hits, misses: keys asked of the cache.
        outside: of `app`, waiting in a socket that is none of database or cache.
        pid: of the process.
    """

    t: float
    path: str
    key: str
    method: str
    status: int
    bytes: int
    took: float
    upstream: float | None
    connect: float
    cache: str
    personal: bool
    target: str
    view: str
    app: float | None
    cpu: float
    waited: float
    database: float
    queries: int
    writes: int
    connects: int
    connecting: float
    caching: float
    hits: int
    misses: int
    outside: float
    pid: int


class Statement(_Part):
    """A statement of pg_stat_statements, without literals: what it took in the recording.

    Attributes:
        origins: "view at file:line" -> how many sampled requests were seen in it.
        index: what hypopg was asked: None, or a better plan.
    """

    id: str
    text: str
    calls: int
    seconds: float
    rows: int = 0
    blocks_hit: int = 0
    blocks_read: int = 0
    read_seconds: float = 0.0
    reads: bool = True  # a SELECT that takes no lock
    origins: dict[str, int] = {}
    index: Index | None = None


class Index(_Part):
    """An index that PostgreSQL's planner would use: the statement that makes it, and two costs."""

    statement: str
    cost: float
    cost_with: float


class Machine(_Part):
    """One machine's part of a recording.

    Attributes:
        cores: what it may use, by its quota; `memory_mb` likewise.
        quotas: service -> cores that its own cgroup may use, where that is less.
        memory_limits: service -> MiB, where its own cgroup has a limit.
        every: of nginx' log, one request in so many is kept.
        cost: what recording took: {"cpu": cores, "memory_mb": resident}.
    """

    cores: float
    memory_mb: float
    services: list[str]
    debian: str = ""
    postgresql_version: int = 0
    quotas: dict[str, float] = {}
    memory_limits: dict[str, float] = {}
    settings: dict[str, Any] = {}
    samples: list[Sample] = []
    requests: list[Request] = []
    every: int = 1
    statements: list[Statement] = []
    cost: dict[str, float] = {}
    errors: list[str] = []  # what could not be read, a sentence each


class Step(_Part):
    """One rate of a load, without its warming up: what was offered, and how it went."""

    offered: float  # requests/s
    began: float
    ended: float
    sent: int
    answered: int
    failed: int
    p50: float
    p95: float
    p99: float
    lag: float  # p99 of how late the sender itself was
    passed: bool
    why: str = ""
    late: bool = False  # the sender was: it did not pass, and says nothing of the site

    @property
    def achieved(self) -> float:
        """Requests answered well, per second."""
        return (self.answered - self.failed) / max(self.ended - self.began, 1e-9)


class Load(_Part):
    """A load that was sent while it was recorded; `knee` is the last rate that passed."""

    profile: str
    steps: list[Step]
    knee: float | None = None
    ended: str = ""  # why it ended, a sentence
    valid: bool = True
    invalid: str = ""


class SiteFacts(_Part):
    """What the inventory and the roles say of the site: what an advice would change.

    Attributes:
        workers, threads: of the web server, by machine that runs Django.
        max_connections: of PostgreSQL. `pool_size`: of pgbouncer, None without.
        conn_max_age: seconds that Django keeps a connection; None: for ever.
        microcache: paths that nginx keeps -> seconds.
        prices: machine -> a month. `currency` is a word or sign.
        overlay: whether the kit's settings overlay is used (replicas' router, timing).
    """

    project: str
    tiers: list[str]
    duties: dict[str, list[str]]
    services: dict[str, list[str]]
    addresses: dict[str, str] = {}
    workers: dict[str, int] = {}
    threads: dict[str, int] = {}
    max_connections: int = 100
    pool_size: int | None = None
    conn_max_age: float | None = None
    redis_memory_mb: float | None = None
    microcache: dict[str, float] = {}
    prices: dict[str, float] = {}
    currency: str = ""
    overlay: bool = True


class Recording(_Part):
    """A measurement of a whole site."""

    version: Literal[1] = VERSION
    id: str
    made: str  # UTC, such as 2026-12-01T04:15:00Z
    kit: str
    environment: str
    purpose: Literal["measure", "load"]
    began: float
    ended: float
    site: SiteFacts
    machines: dict[str, Machine]
    load: Load | None = None

    @property
    def seconds(self) -> float:
        """How long it is."""
        return self.ended - self.began

    def requests(self) -> Iterator[tuple[str, Request]]:
        """All requests, with the machine that took them."""
        for name, machine in self.machines.items():
            for request in machine.requests:
                yield name, request


def write_recording(recording: Recording, path: Path) -> None:
    """Write a recording: JSON, compressed where the name ends in `.gz`. Only its owner reads it."""
    text = recording.model_dump_json(exclude_defaults=True).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.write_bytes(gzip.compress(text, mtime=0) if path.suffix == ".gz" else text)


def read_recording(path: Path) -> Recording:
    """Read a recording; RecordingError where the file is none."""
    try:
        content = path.read_bytes()
        data = json.loads(gzip.decompress(content) if path.suffix == ".gz" else content)
    except OSError as error:
        raise RecordingError(f"{path} cannot be read: {error.strerror or error}.") from None
    except (ValueError, EOFError) as error:
        raise RecordingError(f"{path} is no recording: {error}.") from None
    version = data.get("version", VERSION) if isinstance(data, dict) else None
    if version != VERSION:
        raise RecordingError(
            f"{path} is of version {version}, and this kit reads version {VERSION}: measure again."
        )
    try:
        return Recording.model_validate(data)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise RecordingError(f"{path} is no recording: {where}: {first['msg']}.") from None
