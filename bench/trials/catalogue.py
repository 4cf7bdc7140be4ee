"""The trials: a number, a limit of three severities, and what visitors ask for meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

from bench.trials.inject import database, network, processors, stores
from bench.trials.machines import Machines, Shape

Ask = Mapping[str, Any]
Limit = Callable[[Machines, int], AbstractContextManager[None]]
SEVERITIES = (1, 2, 3)

# What the projects are asked for where a trial needs no page of its own. `of` makes each request
# one of its own: else a cache in front of Django would rightly be named first, for any limit.
ORCHARD: Sequence[Ask] = (
    {"path": "/?of={1..100000}", "weight": 3},
    {"path": "/trees/{1..12}/?of={1..100000}", "weight": 6},
    {"path": "/guide/?of={1..100000}", "weight": 1},
)
APIARY: Sequence[Ask] = (
    {"path": "/?of={1..100000}", "weight": 7},
    {"path": "/jars.json?of={1..100000}", "weight": 3},
)
WAGTAIL: Sequence[Ask] = (
    {"path": "/?of={1..100000}"},
    {"path": "/search/?query=a{1..50}&of={1..100000}", "weight": 0.5},
)
USUAL = {"orchard": ORCHARD, "apiary": APIARY, "wagtail": WAGTAIL}
NOTES: Sequence[Ask] = (
    {
        "path": "/trees/{1..12}/note/",
        "method": "POST",
        "csrf": True,
        "form": {"key": "{uuid}", "text": "The buds on wire {1..6} are open."},
    },
)
COMPUTE: Sequence[Ask] = ({"path": "/compute/?ms=15&of={1..100000}"},)
ROWS: Sequence[Ask] = ({"path": "/rows/?shape={0..5}&of={1..100000}"},)
BOTH: Sequence[Ask] = ({"path": "/both/?ms=15&shape={0..5}&of={1..100000}"},)
LISTS: Sequence[Ask] = ({"path": "/list/?n=40&from={1..1000}&of={1..100000}"},)
FINDS: Sequence[Ask] = ({"path": "/find/?n={1..20000}&of={1..100000}"},)
WRITES: Sequence[Ask] = ({"path": "/entry/?rows=500", "method": "POST"},)


@dataclass(frozen=True)
class Trial:
    """A known limit on a known part.

    Attributes:
        profiles: project -> requests; a project that is missing has no such trial.
        limit: puts the limit on, and gives it back; called with the severity, 1 to 3.
        inputs: of roles, by severity: the limit itself, or what brings it out.
        rows: of the nursery, and bytes of text in each; `many` rows instead, by severity.
        rates: requests per second by severity; None: steps until the site does not keep up.
    """

    number: str
    title: str
    profiles: Mapping[str, Sequence[Ask]]
    limit: Limit = lambda machines, severity: nullcontext()
    topology: str = "one"
    inputs: Callable[[int], Mapping[str, Mapping[str, Any]]] = lambda severity: {}
    environment: Mapping[str, str] = field(default_factory=dict)
    rows: tuple[int, int] = (20_000, 96)
    many: tuple[int, int, int] | None = None
    rates: tuple[float, float, float] | None = None

    def shape(self, project: str, severity: int) -> Shape:
        """What the site has to be before the limit is put on."""
        # The apiary needs redis for its jobs.
        topology = "redis" if project == "apiary" else self.topology
        rows = (by(severity, *self.many), self.rows[1]) if self.many else self.rows
        return Shape(project, topology, self.inputs(severity), self.environment, rows)


def by(severity: int, *values: Any) -> Any:
    """The value of a severity."""
    return values[severity - 1]


@contextmanager
def together(*limits: AbstractContextManager[None]) -> Iterator[None]:
    """Several limits at once."""
    with ExitStack() as stack:
        for one in limits:
            stack.enter_context(one)
        yield


def _web(**values: Sequence[Any]) -> Callable[[int], Mapping[str, Mapping[str, Any]]]:
    return lambda severity: {"vps1": {key: by(severity, *all_) for key, all_ in values.items()}}


TRIALS: Sequence[Trial] = (
    Trial(
        "01",
        "a quota on Django's processor time",
        {"nursery": COMPUTE, **USUAL},
        lambda m, s: processors.django_cores(m, by(s, 0.5, 0.35, 0.2)),
    ),
    Trial(
        "02",
        "one worker on several cores",
        {"nursery": COMPUTE, **USUAL},
        inputs=_web(django_workers=[1, 1, 1], django_threads=[4, 8, 16]),
    ),
    Trial(
        "03",
        "few threads, and a view that sleeps",
        {"nursery": ({"path": "/sleep/?ms=150&of={1..100000}"},)},
        inputs=_web(django_workers=[2, 1, 1], django_threads=[1, 2, 1]),
    ),
    Trial(
        "04",
        "a quota on PostgreSQL's processor time, with reads",
        {
            "nursery": ROWS,
            "orchard": (
                {"path": "/harvest/?of={1..100000}"},
                {"path": "/?page={1..9}&of={1..100000}"},
            ),
        },
        lambda m, s: processors.database_cores(m, by(s, 0.3, 0.2, 0.12)),
    ),
    Trial(
        "05",
        "a quota on PostgreSQL's processor time, with writes",
        {"nursery": WRITES},
        lambda m, s: processors.database_cores(m, by(s, 0.3, 0.2, 0.12)),
    ),
    Trial(
        "06",
        "cold data in little memory",
        {"nursery": ({"path": "/wide/?n=50&of=60000&from={1..60000}&visit={1..100000}"},)},
        lambda m, s: processors.cold_data(m, 16, by(s, 96, 80, 64)),
        topology="split",
        rows=(60_000, 6400),
    ),
    Trial(
        "07",
        "a disk that is slow to confirm",
        {"nursery": ({"path": "/entry/?rows=1", "method": "POST"},), "orchard": NOTES},
        lambda m, s: database.slow_fsync(m, by(s, 20, 50, 120)),
    ),
    Trial(
        "08",
        "a connection for every request",
        {"nursery": FINDS},
        topology="split",
        environment={"NURSERY_CONN_MAX_AGE": "0"},
        limit=lambda m, s: processors.whole_machine(m, "db1", by(s, 0.5, 0.35, 0.25)),
    ),
    Trial(
        "09",
        "few connections allowed",
        {"nursery": ({"path": "/hot/?ms=1", "method": "POST"}, *FINDS)},
        lambda m, s: database.is_set(m, "max_connections", 24),
        topology="split",
        inputs=lambda s: {
            "vps1": {"django_workers": 4, "django_threads": 8},
            "db1": {"postgresql_max_connections": by(s, 24, 20, 16)},
        },
    ),
    Trial(
        "10",
        "a pool that is too small",
        {"nursery": ({"path": "/pooled/?ms={20..40}&of={1..100000}"},)},
        topology="pgbouncer",
        # Without a reserve, which would make it larger after some seconds.
        inputs=lambda s: {
            "db1": {"pgbouncer_pool_size": by(s, 3, 2, 1), "pgbouncer_reserve_pool_size": 0}
        },
    ),
    Trial(
        "11",
        "a pool that is too large",
        {"nursery": ROWS},
        lambda m, s: processors.whole_machine(m, "db1", by(s, 0.4, 0.3, 0.2)),
        topology="pgbouncer",
        inputs=lambda s: {
            "vps1": {"django_workers": 6, "django_threads": 8},
            "db1": {"pgbouncer_pool_size": 200, "postgresql_max_connections": 250},
        },
    ),
    Trial(
        "12",
        "one row that everybody changes",
        {"nursery": ({"path": "/hot/?ms={MS}", "method": "POST"},)},
    ),
    Trial(
        "13",
        "an index that is gone",
        {"nursery": FINDS},
        # With a quota, or the sender would have no core left of the two that the host has.
        lambda m, s: together(
            processors.database_cores(m, 0.5), database.dropped_index(m, "nursery_row", "code")
        ),
        rows=(100_000, 32),
        many=(100_000, 200_000, 400_000),
    ),
    Trial(
        "14",
        "a query for every row of a page",
        {"nursery": ({"path": "/list/?n={N}&from={1..1000}&of={1..100000}"},)},
    ),
    Trial(
        "15",
        "the same costly pages for everybody",
        {"nursery": ({"path": "/page/{1..3}/"},)},
        lambda m, s: processors.django_cores(m, by(s, 0.5, 0.35, 0.25)),
    ),
    Trial(
        "16",
        "little memory for Django",
        {"nursery": COMPUTE, "orchard": ORCHARD},
        lambda m, s: processors.django_memory(m, by(s, 110, 95, 80)),
    ),
    Trial(
        "17",
        "somebody else's server is slow",
        {"nursery": ({"path": "/remote/?ms={REMOTE}&of={1..100000}"},)},
        lambda m, s: network.slow_remote(m, by(s, 300, 800, 2000)),
    ),
    Trial(
        "18",
        "delay between Django and its database",
        {"nursery": LISTS, "orchard": ORCHARD, "wagtail": WAGTAIL},
        lambda m, s: network.delay(m, by(s, 6, 15, 40)),
        topology="split",
    ),
    Trial(
        "19",
        "loss between Django and its database",
        {"nursery": LISTS, "orchard": ORCHARD, "wagtail": WAGTAIL},
        lambda m, s: network.loss(m, by(s, 2, 5, 10)),
        topology="split",
    ),
    Trial(
        "20",
        "visitors with slow lines, and large files",
        {"nursery": ({"path": "/file/?kb=600"},)},
        lambda m, s: network.slow_visitors(m, by(s, 400, 200, 100)),
    ),
    Trial(
        "21",
        "a redis with next to no memory",
        {"nursery": ({"path": "/cached/?kb=100&n={1..300}"},)},
        lambda m, s: stores.small_redis(m),
        topology="redis",
        inputs=_web(redis_memory_mb=[12, 8, 4]),
    ),
    Trial(
        "22",
        "two parts that are full at the same rate",
        {"nursery": BOTH},
        lambda m, s: processors.equal_parts(m, "/both/?ms=15", by(s, 0.4, 0.3, 0.2)),
        rows=(80_000, 96),
    ),
    Trial(
        "23",
        "nothing",
        {"nursery": ORCHARD, **USUAL},
        rates=(8, 12, 16),
    ),
)
# Of requests whose cost is the severity.
BLANKS = {"{MS}": (40, 80, 150), "{N}": (40, 80, 150), "{REMOTE}": (300, 800, 2000)}


def requests(trial: Trial, project: str, severity: int) -> list[Ask]:
    """What visitors ask for."""

    def filled(path: str) -> str:
        for blank, values in BLANKS.items():
            path = path.replace(blank, str(by(severity, *values)))
        return path

    return [{**ask, "path": filled(ask["path"])} for ask in trial.profiles[project]]
