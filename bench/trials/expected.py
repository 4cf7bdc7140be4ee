"""What is right for each trial: written before anything was measured, and not changed after.

Where several remedies remove the limit, each of them is right. Saying nothing is wrong, but where
nothing is to be said.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from espalier.insight.advice import Place, Remedy, Verdict

P, R, V = Place, Remedy, Verdict
FOUND = (V.BOTTLENECK,)


@dataclass(frozen=True)
class Expected:
    """The right answers; the first place is the one of the confusion matrix."""

    places: tuple[Place, ...]
    remedies: tuple[Remedy, ...]
    verdicts: tuple[Verdict, ...] = FOUND


_MACHINES = (R.APP_SERVERS, R.LARGER_MACHINE, R.SPLIT_MACHINES)

EXPECTED: Mapping[str, Expected] = {
    "01": Expected((P.APP_PROCESSOR,), _MACHINES),
    "02": Expected((P.WORKERS,), (R.WORKERS,)),
    "03": Expected((P.THREADS, P.WORKERS), (R.THREADS, R.WORKERS)),
    "04": Expected((P.DATABASE_PROCESSOR,), (R.REPLICAS, R.LARGER_MACHINE)),
    "05": Expected(
        (P.DATABASE_WRITES, P.DATABASE_PROCESSOR, P.QUERY),
        (R.LARGER_MACHINE, R.VIEW, R.CODE, R.SPLIT_MACHINES),
    ),
    "06": Expected((P.MEMORY, P.DISK), (R.MEMORY, R.DISK, R.LARGER_MACHINE)),
    "07": Expected((P.DISK,), (R.DISK,)),
    "08": Expected((P.CONNECTIONS,), (R.PGBOUNCER, R.KEEP_CONNECTIONS)),
    "09": Expected((P.CONNECTIONS,), (R.PGBOUNCER,)),
    "10": Expected((P.POOL,), (R.LARGER_POOL,)),
    "11": Expected((P.POOL,), (R.SMALLER_POOL,)),
    "12": Expected((P.LOCKS,), (R.CODE, R.VIEW)),
    "13": Expected((P.QUERY,), (R.INDEX,)),
    "14": Expected((P.VIEW,), (R.VIEW, R.CODE)),
    "15": Expected((P.VIEW, P.APP_PROCESSOR), (R.MICROCACHE, R.CACHE)),
    "16": Expected((P.MEMORY,), (R.MEMORY, R.FEWER_WORKERS, R.LARGER_MACHINE)),
    "17": Expected((P.OUTSIDE,), (R.BACKGROUND,), (V.OUTSIDE, V.BOTTLENECK)),
    "18": Expected((P.NETWORK,), (R.NETWORK,), (V.BOTTLENECK, V.OUTSIDE)),
    "19": Expected((P.NETWORK,), (R.NETWORK,), (V.BOTTLENECK, V.OUTSIDE)),
    "20": Expected((P.VISITORS,), (R.NOTHING, R.NETWORK), (V.OUTSIDE, V.BOTTLENECK)),
    "21": Expected((P.REDIS_MEMORY,), (R.REDIS_MEMORY,)),
    "22": Expected((P.SEVERAL,), (*_MACHINES, R.REPLICAS), (V.TWO,)),
    "23": Expected((P.NOWHERE,), (R.NOTHING, R.SMALLER), (V.NOTHING, V.SMALLER)),
}
