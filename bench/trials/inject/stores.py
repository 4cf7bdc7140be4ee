"""Limits of what keeps data beside the database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from bench.trials.machines import Machines
from tests.steps import demand

_FILL = (
    "from django.core.cache import cache as c; v = 'x' * 100000; "
    "[c.set(f'trial{n}', v, 600) for n in range(300)]; "
    "print('kept', sum(c.get(f'trial{n}') is not None for n in range(300)))"
)


@contextmanager
def small_redis(machines: Machines) -> Iterator[None]:
    """Redis, whose memory the site's inputs bound, does not keep 300 values of 100 kB."""
    said = machines.manage("shell", "-c", _FILL)
    kept = int(said.rpartition("kept ")[2].split()[0])
    demand(kept < 200, f"redis kept {kept} of 300 values of 100 kB")
    yield
