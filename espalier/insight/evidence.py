"""What a recording shows, in the form that rules look at. `espalier.insight.observe` makes it.

Rates are requests per second for Django, whether Django or nginx' cache answered them; what nginx
answers itself (static files, uploads) is left out, unless said otherwise. Shares are of 1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from espalier.insight.recording import Load, SiteFacts, Statement


class Kind(StrEnum):
    """Of what a part is made. The first four are hard: time of a device. The others are soft."""

    PROCESSOR = "processor"  # all cores of a machine
    SERVICE = "service"  # of a service: its own quota
    WORKERS = "workers"  # processes of Django, each at most about one core
    DISK = "disk"
    THREADS = "threads"  # of the web server: requests at a time
    POOL = "pool"  # connections that pgbouncer has to PostgreSQL
    CONNECTIONS = "connections"  # that PostgreSQL allows


HARD = (Kind.PROCESSOR, Kind.SERVICE, Kind.WORKERS, Kind.DISK)


@dataclass(frozen=True)
class Interval:
    """A value, and the bounds within which it is for 95%.

    What was measured varies by chance within its window: that is all that a part's bound holds. A
    prediction is wider, by what is not known of a remedy (see `predict`).
    """

    low: float
    value: float
    high: float

    def scaled(self, factor: float) -> Interval:
        """The same times a factor."""
        return Interval(self.low * factor, self.value * factor, self.high * factor)


@dataclass(frozen=True)
class Part:
    """One part that can be full.

    Attributes:
        machines: those that share the work of this part: all machines with Django and without a
            database, or Django's worker processes and threads of all; one machine otherwise.
        service: whose part it is ("django", "postgresql_primary", "nginx", …); "" of the machine.
        busiest: the service that takes most of it.
        capacity: how many units it has: cores (less what the host takes), processes (at most one
            for each core), threads, connections; 1 of a disk.
        busy: units in use, mean over the window that counts; of connections, the most.
        demand: seconds of a unit that one request takes.
        bound: requests/s at which it is full: capacity / demand.
        lowest: probability that its bound is the lowest of all hard parts (of all, if soft).
        shares: service -> share of `busy`.
    """

    name: str
    kind: Kind
    machines: tuple[str, ...]
    service: str
    busiest: str
    capacity: float
    busy: float
    demand: float
    bound: Interval
    lowest: float = 0.0
    shares: Mapping[str, float] = field(default_factory=dict)

    @property
    def utilisation(self) -> float:
        """Share of the capacity that is in use."""
        return self.busy / self.capacity if self.capacity else 0.0

    @property
    def is_hard(self) -> bool:
        """Whether it is a device's time, rather than a number somebody has set."""
        return self.kind in HARD


@dataclass(frozen=True)
class Split:
    """Where the time of a mean request to Django goes, in seconds; they add up to `total`.

    Attributes:
        nginx: before Django is asked, connecting to it, and sending to the visitor (slow clients
            among it).
        queue: in front of Django: upstream - connecting - app.
        computing: Django's own processor time.
        waiting: ready to run, without a core (run queue, and quota).
        database: in the driver, without connecting; divided by `database_waits`.
        connecting: opening connections to the database.
        caching: in the cache's client.
        outside: in sockets of anything else.
        unexplained: the rest of `app`.
        database_waits: share of the time of active sessions by wait, "CPU" among them.
    """

    total: float = 0.0
    nginx: float = 0.0
    queue: float = 0.0
    computing: float = 0.0
    waiting: float = 0.0
    database: float = 0.0
    connecting: float = 0.0
    caching: float = 0.0
    outside: float = 0.0
    unexplained: float = 0.0
    database_waits: Mapping[str, float] = field(default_factory=dict)

    def share(self, *names: str) -> float:
        """The share that some of these have of the total."""
        return sum(getattr(self, name) for name in names) / self.total if self.total else 0.0


@dataclass(frozen=True)
class View:
    """What requests for one view took, all of them together, in seconds."""

    name: str
    paths: tuple[str, ...]  # its commonest, at most three
    method: str  # the commonest
    requests: int
    app: float
    cpu: float
    database: float
    queries: float  # a request
    outside: float
    caching: float
    writes: float  # share of its requests that change rows
    personal: float  # share with a cookie
    errors: int
    p50: float
    p95: float


@dataclass(frozen=True)
class Database:
    """What the primary shows, means over the window; replicas in `replicas`.

    Attributes:
        waits: active sessions by what they did ("CPU", "Lock:transactionid", …).
        hit_ratio: of blocks, in shared buffers.
        reads_share: share of statements' time that are SELECTs which a replica could answer:
            outside of transactions that write.
        sync_wait: seconds that one fsync of WAL takes; None where it is not told.
        blocking: statement that others wait for -> mean sessions that wait.
        read_seconds: per second, in reading blocks from disk.
    """

    machine: str = ""
    active: float = 0.0
    connections: float = 0.0
    max_connections: int = 0
    most_connections: float = 0.0
    idle_in_transaction: float = 0.0
    waits: Mapping[str, float] = field(default_factory=dict)
    hit_ratio: float = 1.0
    reads_share: float = 0.0
    read_seconds: float = 0.0
    sync_wait: float | None = None
    sessions: float = 0.0  # opened per second
    commits: float = 0.0
    blocking: Mapping[str, float] = field(default_factory=dict)
    refused: int = 0  # requests that failed while connections were at their most
    replicas: Mapping[str, float] = field(default_factory=dict)  # machine -> lag in seconds

    def waiting(self, *kinds: str) -> float:
        """Share of active sessions in waits that begin so: "Lock:", "IO:DataFileRead", …."""
        total = sum(self.waits.values())
        found = sum(v for name, v in self.waits.items() if name.startswith(kinds))
        return found / total if total else 0.0


@dataclass(frozen=True)
class MachineEvidence:
    """What one machine shows, means over the window that counts."""

    name: str
    cores: float
    memory_mb: float
    services: tuple[str, ...]
    busy: float  # cores
    steal: float  # share of its cores
    throttled: float  # share of time, of the machine's own cgroup
    service_memory_mb: Mapping[str, float]
    service_faults: Mapping[str, float]
    quotas: Mapping[str, float]
    memory_limits: Mapping[str, float]
    busiest_process: float  # cores of Django's busiest
    processes: tuple[float, ...]  # cores of Django's, largest first, means
    memory_full: float | None  # PSI
    memory_available_mb: float
    swapped_in: float
    major_faults: float
    refaults: float
    limit_hits: float
    killed: float
    io_full: float | None
    io_some: float | None
    sent_mb: float
    received_mb: float
    retransmitted: float  # share of segments
    round_trips: Mapping[str, float]  # machine -> seconds
    peers_retransmitted: Mapping[str, float]  # machine -> share of segments
    listen_queue: float


@dataclass(frozen=True)
class Replay:
    """What a cache in front of Django would have answered, replayed from the log."""

    path: str  # a path, or the view's commonest
    view: str
    seconds: float  # how long a page is kept
    requests: int
    hits: int
    saved: float  # seconds of Django's processor and database time
    share: float  # of all such seconds


@dataclass(frozen=True)
class Evidence:
    """All that rules look at.

    Attributes:
        rate: requests/s in the window that counts: production as it is, or the load's last step
            that passed (its first step, where none did).
        rate_django: of those, what Django answered.
        sustained: requests/s that were answered well at most: what the last step that passed
            achieved; of production `rate`.
        failed: whether the load came to an end of what the site can do.
        beyond: means of the step that failed, as a further Evidence; None without one.
        parts: by bound, lowest first. One that nothing uses has no bound, and is absent.
        certain: probability that the first hard part has the lowest bound.
        enough: whether there is data enough to name anything; `why_not` says why not.
        replays: by what would be saved; only where there are hits, and the log has all requests.
        slow: p95 of the window, seconds; `quick`: p95 of the lowest step, or of the quietest tenth.
        facts: `id` and `made` of the recording; `began` of the window; `every` of nginx' log;
            `errors` (sentences) and `cost` of recording, by machine; `silent`: machines that told
            nothing in the window.
    """

    site: SiteFacts
    purpose: str
    seconds: float
    rate: float
    rate_django: float
    sustained: float
    failed: bool
    enough: bool
    why_not: str
    parts: Sequence[Part]
    certain: float
    split: Split
    views: Sequence[View]
    database: Database
    machines: Mapping[str, MachineEvidence]
    statements: Sequence[Statement]
    replays: Sequence[Replay] = ()
    load: Load | None = None
    beyond: Evidence | None = None
    slow: float = 0.0
    quick: float = 0.0
    errors: float = 0.0  # share of requests with status 5xx
    pool: Mapping[str, float] = field(default_factory=dict)  # means of recording.Pool
    redis: Mapping[str, float] = field(default_factory=dict)  # means of recording.Redis
    queues: Mapping[str, Sequence[float]] = field(default_factory=dict)  # name -> length over time
    bytes_sent: float = 0.0  # MiB/s to visitors
    timing: bool = True  # Django told its times
    facts: Mapping[str, Any] = field(default_factory=dict)

    def part(self, kind: Kind, machine: str = "", service: str = "") -> Part | None:
        """The part of a kind with the lowest bound; on a machine, of a service, where named."""
        for one in self.parts:
            fits = one.kind == kind and (not machine or machine in one.machines)
            if fits and (not service or service in (one.service, one.busiest)):
                return one
        return None
