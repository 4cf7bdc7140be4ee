"""One machine: all that is read of it, each second, at its begin and at its end."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from espalier_machine.insight import cgroups, index, redis, statements
from espalier_machine.insight.disk import Disks
from espalier_machine.insight.files import read_text
from espalier_machine.insight.memory import Memory
from espalier_machine.insight.network import Network
from espalier_machine.insight.options import Options
from espalier_machine.insight.pgbouncer import Pgbouncer
from espalier_machine.insight.postgresql import Postgresql, connect
from espalier_machine.insight.pressure import Pressure
from espalier_machine.insight.processes import THREADS
from espalier_machine.insight.processor import Processor
from espalier_machine.insight.protocol import SessionError
from espalier_machine.insight.services import Service
from espalier_machine.insight.sockets import Sockets


class Machine:
    """What is read. `errors` has a sentence for each thing that could not be."""

    def __init__(self, options: Options) -> None:
        """Open what is there of the services that are to run here."""
        self.errors: list[str] = []
        self._options = options
        is_container = cgroups.in_container()
        found = cgroups.find()
        self._processor = Processor(found, is_container)
        self._pressure = Pressure(found, is_container)
        self._memory = Memory(found, is_container)
        self._disks, self._network = Disks(), Network()
        sockets = f"/run/{options.project}" if options.has("django") else ""
        self._sockets = Sockets(options.peers, sockets)
        self.services = {name: Service(found, units) for name, units in options.units.items()}
        for service in self.services.values():
            service.look()
        self.postgresql = (
            Postgresql(options.database, self.errors)
            if options.has("postgresql_primary", "postgresql_replica")
            else None
        )
        self.pgbouncer = Pgbouncer(self.errors) if options.has("pgbouncer") else None
        self._redis = (
            redis.Redis("redis", redis.CACHE, self.errors) if options.has("redis") else None
        )
        self._queue = (
            redis.Redis("The queue", redis.QUEUE, self.errors) if options.has("queue") else None
        )
        self._before: dict[str, statements.Totals] | None = None

    def facts(self) -> dict[str, Any]:
        """The fields of recording.Machine that do not change."""
        quotas = {name: service.quota() for name, service in self.services.items()}
        limits = {name: service.memory_limit() for name, service in self.services.items()}
        cores, total = self._processor.cores, self._memory.total_mb
        known = self.postgresql
        return {
            "cores": cores,
            "memory_mb": total,
            "services": sorted(self.services),
            "debian": debian(read_text(Path("/etc/os-release"))),
            "postgresql_version": known.version if known else 0,
            "quotas": {n: quota for n, quota in quotas.items() if quota and quota < cores},
            "memory_limits": {n: limit for n, limit in limits.items() if limit and limit < total},
            "settings": {n: v for n, v in known.settings.items() if v} if known else {},
        }

    def sample(self, t: float, dt: float) -> dict[str, Any]:
        """recording.Sample of the `dt` seconds before the time `t`."""
        found: dict[str, Any] = {"t": t, "dt": dt}
        parts: dict[str, Callable[[float], Any]] = {
            "processor": self._processor.sample,
            "pressure": self._pressure.sample,
            "memory": self._memory.sample,
            "disk": self._disks.sample,
            "network": self._network.sample,
        }
        if self.pgbouncer:
            parts["pool"] = self.pgbouncer.second
        if self._redis:
            parts["redis"] = self._redis.figures
        if self._queue:
            parts["queues"] = self._queue.queues
        for name, read in parts.items():
            with self._noted(name):
                found[name] = read(dt)
        with self._noted("services"):
            found["services"], events = self._of_services(dt)
            if self._memory.counts_alone and "memory" in found:
                found["memory"] |= {n: found["memory"][n] + v for n, v in events.items()}
        with self._noted("sockets"):
            told = self._sockets.sample()
            found["listen_queue"] = told.get("listen_queue")
            found.setdefault("network", {}).update(told.get("network", {}))
        if self.postgresql:
            with self._noted("PostgreSQL"):
                found |= self.postgresql.second(dt)
        return found

    def _of_services(self, dt: float) -> tuple[dict[str, Any], dict[str, float]]:
        """Of each service what it took, and of all together how often a limit of memory was hit."""
        found, events = {}, dict.fromkeys(("limit_hits", "killed"), 0.0)
        left = THREADS
        for name, service in self.services.items():
            found[name], its = service.sample(dt, left)
            left -= service.watched()
            for event, value in its.items():
                events[event] += value
        return found, events

    @contextlib.contextmanager
    def _noted(self, part: str) -> Iterator[None]:
        """A part that cannot be read in this second is left out, and said at the end."""
        try:
            yield
        except (OSError, ValueError, LookupError) as error:
            sentence = f"Not all was read of {part}: {type(error).__name__}: {error}."
            if sentence not in self.errors and len(self.errors) < 20:
                self.errors.append(sentence)

    def begin_statements(self) -> None:
        """Remember what statements had taken before."""
        if not self.postgresql or not self.postgresql.session:
            return
        try:
            session = connect(self._options.database)
        except SessionError as error:
            self.errors.append(f"Statements are not told: {error}.")
            return
        try:
            self._before = statements.totals(session)
        except SessionError as error:
            self.errors.append(f"Statements are not told: {error}.")
        finally:
            session.close()

    def statements(self) -> list[dict[str, Any]]:
        """recording.Statement each, of what took most of the time since then."""
        if self._before is None or not self.postgresql:
            return []
        try:
            session = connect(self._options.database)
        except SessionError as error:
            self.errors.append(f"Statements are not told: {error}.")
            return []
        try:
            after = statements.totals(session)
            took = statements.grown(self._before, after)
            texts = statements.texts(session, list(took))
            indexes: dict[str, dict[str, Any]] = {}
            if self._options.insight:
                indexes = index.find(session, took, texts, self.errors)
            return statements.told(took, texts, self.postgresql.activity.origins, indexes)
        except SessionError as error:
            self.errors.append(f"Statements are not told: {error}.")
            return []
        finally:
            session.close()

    def close(self) -> None:
        """End all sessions."""
        for one in (self.postgresql, self.pgbouncer, self._redis, self._queue):
            if one:
                one.close()


def debian(text: str) -> str:
    """The version in /etc/os-release, such as "13"."""
    found = re.search(r'^VERSION_ID="?([\w.]+)"?$', text, re.MULTILINE)
    return found[1] if found else ""


class Clock:
    """The ends of seconds, so that a late one does not move the next."""

    def __init__(self, step: float = 1.0) -> None:
        """Begin now."""
        self._step = step
        self._next = time.monotonic() + step

    def left(self) -> float:
        """Seconds until the next end; 0 where it has come."""
        return max(0.0, self._next - time.monotonic())

    def advance(self) -> None:
        """Wait for the one after; those that were missed are left out."""
        now = time.monotonic()
        self._next += self._step
        if self._next <= now:
            self._next = now + self._step
