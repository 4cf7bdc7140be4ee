"""What one machine shows in one second: the readings of which a recording consists.

Units are those of `espalier.insight.recording`.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class _Reading(BaseModel):
    # Unknown keys are of a newer version, which added a reading.
    model_config = ConfigDict(extra="ignore", frozen=True)


class Processor(_Reading):
    """Of a machine in one second, in cores."""

    busy: float = 0.0
    steal: float = 0.0
    iowait: float = 0.0
    # Seconds that the machine's own cgroup was held back by its quota.
    throttled: float = 0.0


class Pressure(_Reading):
    """PSI: the share of a second in which some, or all, tasks waited. None where it is not told."""

    cpu_some: float | None = None
    memory_some: float | None = None
    memory_full: float | None = None
    io_some: float | None = None
    io_full: float | None = None


class Memory(_Reading):
    """Of a machine: what is available, and per second what it cost to have too little."""

    available_mb: float = 0.0
    swapped_in: float = 0.0  # pages/s
    major_faults: float = 0.0
    refaults: float = 0.0  # file pages that were read again soon after they were dropped
    limit_hits: float = 0.0  # times that a cgroup's limit made it reclaim
    killed: float = 0.0


class Disk(_Reading):
    """Of the busiest disk: share of time busy, operations and MiB per second, mean wait."""

    busy: float = 0.0
    reads: float = 0.0
    writes: float = 0.0
    read_mb: float = 0.0
    written_mb: float = 0.0
    wait: float = 0.0  # seconds an operation
    queue: float = 0.0


class Network(_Reading):
    """Of a machine: MiB and segments per second; round trips to the other machines, in seconds."""

    received_mb: float = 0.0
    sent_mb: float = 0.0
    segments: float = 0.0
    retransmitted: float = 0.0
    round_trips: dict[str, float] = {}  # address of a peer -> median of smoothed RTT
    # Address of a peer -> segments that connections with it had to send again, and those sent.
    peers_retransmitted: dict[str, float] = {}
    peers_segments: dict[str, float] = {}


class Service(_Reading):
    """What a service of the topology takes of its machine in one second.

    Attributes:
        cpu: cores.
        waiting: seconds that its threads were ready to run and waited for a core.
        throttled: seconds that its own cgroup was held back by a quota.
        memory_mb: resident.
        processes: cores of each of its busiest processes, largest first; at most 16.
        process_count: of those that ran at all in this second.
        major_faults: of its processes, per second.
    """

    cpu: float = 0.0
    waiting: float = 0.0
    throttled: float = 0.0
    memory_mb: float = 0.0
    processes: list[float] = []
    process_count: int = 0
    major_faults: float = 0.0


class Postgresql(_Reading):
    """Of a cluster in one second; counts of sessions are means of ten looks.

    Attributes:
        waits: what active sessions did: "CPU" where they wait for nothing, else "Type:Event" of
            pg_stat_activity, such as "Lock:transactionid" or "IO:DataFileRead" -> sessions.
        blocked_by: statement that holds a lock others wait for -> sessions that wait.
        sync_seconds: what fsync of WAL took; None before PostgreSQL 14.
    """

    active: float = 0.0
    waits: dict[str, float] = {}
    connections: float = 0.0
    idle_in_transaction: float = 0.0
    blocked_by: dict[str, float] = {}
    commits: float = 0.0
    rollbacks: float = 0.0
    blocks_hit: float = 0.0
    blocks_read: float = 0.0
    read_seconds: float = 0.0
    write_seconds: float = 0.0
    rows_read: float = 0.0
    rows_written: float = 0.0
    sessions: float = 0.0  # opened, per second
    deadlocks: float = 0.0
    wal_mb: float = 0.0
    wal_syncs: float = 0.0
    sync_seconds: float | None = None


class Pool(_Reading):
    """Of pgbouncer in one second; waited and the times are sums over clients, in seconds."""

    clients_active: float = 0.0
    clients_waiting: float = 0.0
    servers_active: float = 0.0
    servers_idle: float = 0.0
    longest_wait: float = 0.0
    waited: float = 0.0
    transaction_seconds: float = 0.0
    transactions: float = 0.0
    queries: float = 0.0


class Redis(_Reading):
    """Of redis in one second."""

    operations: float = 0.0
    hits: float = 0.0
    misses: float = 0.0
    evicted: float = 0.0
    rejected: float = 0.0
    blocked_clients: float = 0.0
    cpu: float = 0.0
    memory_mb: float = 0.0
    limit_mb: float = 0.0


class Sample(_Reading):
    """One machine in one second. `services` are those of the topology, by name.

    A service that is not on the machine is absent.
    """

    t: float  # the end of the second
    dt: float  # its real length
    processor: Processor = Processor()
    pressure: Pressure = Pressure()
    memory: Memory = Memory()
    disk: Disk = Disk()
    network: Network = Network()
    services: dict[str, Service] = {}
    postgresql: Postgresql | None = None
    pool: Pool | None = None
    redis: Redis | None = None
    queues: dict[str, int] = {}  # jobs that wait, by queue
    replica_lag: float | None = None
    listen_queue: float | None = None  # connections that wait at Django's socket
