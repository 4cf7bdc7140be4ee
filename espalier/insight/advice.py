"""What an advice consists of: a verdict, its evidence, one change first, and others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from espalier.insight.evidence import Interval


class Verdict(StrEnum):
    """What a recording allows to be said."""

    BOTTLENECK = "bottleneck"
    TWO = "two together"
    OUTSIDE = "outside of the stack"
    NOTHING = "change nothing"
    SMALLER = "you could go smaller"
    UNKNOWN = "not enough load to tell"
    UNEXPLAINED = "unexplained"  # the site is slow, and no part that is known is full


# Those that name a place, of which one can be sure.
LIMITS = (Verdict.BOTTLENECK, Verdict.TWO, Verdict.OUTSIDE)


class Place(StrEnum):
    """Where the limit is."""

    APP_PROCESSOR = "application processor"
    WORKERS = "worker processes"
    THREADS = "threads"
    DATABASE_PROCESSOR = "database processor"
    DATABASE_WRITES = "database writes"
    QUERY = "one query"
    VIEW = "one view"
    LOCKS = "locks"
    CONNECTIONS = "database connections"
    POOL = "pool"
    DISK = "disk"
    MEMORY = "memory"
    REDIS_MEMORY = "redis' memory"
    QUEUE = "queue of jobs"
    NGINX = "nginx"
    VISITORS = "visitors' network"
    NETWORK = "network between machines"
    HOST = "the host"  # steal, or a quota of the provider's
    OUTSIDE = "outside"
    SEVERAL = "two parts"
    NOWHERE = "nowhere"


class Remedy(StrEnum):
    """What removes a limit."""

    APP_SERVERS = "app_servers"
    REPLICAS = "replicas"
    PGBOUNCER = "pgbouncer"
    CACHE = "redis"
    MICROCACHE = "microcache"
    WORKERS = "workers"
    THREADS = "threads"
    FEWER_WORKERS = "fewer workers"
    LARGER_POOL = "larger pool"
    SMALLER_POOL = "smaller pool"
    KEEP_CONNECTIONS = "CONN_MAX_AGE"
    LARGER_MACHINE = "larger machine"
    MEMORY = "memory"
    DISK = "disk"
    INDEX = "index"
    VIEW = "view"
    CODE = "code"
    BACKGROUND = "timeout or background job"
    NETWORK = "network"
    REDIS_MEMORY = "redis' memory"
    QUEUE_WORKERS = "queue workers"
    SPLIT_MACHINES = "a machine of its own"
    SMALLER = "smaller machine"
    NOTHING = "nothing"


@dataclass(frozen=True)
class Edit:
    """A change of a file as a person makes it: lines that go, and lines that come.

    `file` is relative to the environment's directory ("hosts.yml", "group_vars/all/project.yml").
    `removed` is empty where lines are only added; `below` then names the line they come after.
    `values` is the same for a program: dotted path below `all.vars` (hosts.yml) or of the file
    (project.yml), and the value; a machine that has to be added is "all.hosts.NAME".
    """

    file: str
    removed: Sequence[str]
    added: Sequence[str]
    below: str = ""
    values: Sequence[tuple[str, object]] = ()


@dataclass(frozen=True)
class Change:
    """One thing to do.

    Attributes:
        sentence: what to do, for a person.
        edits: of the inventory; `statement` of SQL; `where` in the project's code: any of the three
            may be empty.
        then: commands to type after it.
        gain: throughput after the change by throughput before, as an interval; None where no
            number can be given.
        after: requests/s at most after it.
        next_limit: what will be the limit then.
        share: of the time that it works on, what it takes away (0 to 1), for ranking.
        cost: a month, None where no price is known; `per_thousand`: for 1,000 requests a minute
            more.
        response: whether it makes answers quicker rather than more of them.
    """

    remedy: Remedy
    place: Place
    sentence: str
    edits: Sequence[Edit] = ()
    statement: str = ""
    where: str = ""
    then: Sequence[str] = ()
    gain: Interval | None = None
    after: Interval | None = None
    next_limit: str = ""
    share: float = 0.0
    cost: float | None = None
    per_thousand: float | None = None
    response: bool = False


@dataclass(frozen=True)
class Advice:
    """What is said of a recording.

    Attributes:
        certainty: of the place, 0 to 1.
        limit: requests/s that the site answers at most; None where that is not known.
        evidence: sentences with figures. `ruled_out`: names of places that are not the limit.
        change: what to do first; None where nothing is to be done, or nothing is known.
        others: further changes, by `share`.
    """

    verdict: Verdict
    place: Place
    where: str  # "web1", "PostgreSQL on db1", "/search/"
    sentence: str
    certainty: float
    limit: Interval | None
    evidence: Sequence[str]
    change: Change | None
    others: Sequence[Change] = ()
    ruled_out: Sequence[str] = ()
    currency: str = ""
