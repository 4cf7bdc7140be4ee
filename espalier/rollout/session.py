"""One release of a site, from what was asked for to how it went.

Whoever begins it (`espalier release`, `site.yml`, pyinfra's own command) makes a `Request` and gets
an `Outcome`; in between are packing, connections, the lock, the order and the display.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pyinfra.api.host import Host

from espalier.inventory.remote import Remote
from espalier.inventory.site import Site, SiteError
from espalier.lab.builder import container_name
from espalier.project.rules.build_on import builder
from espalier.rollout.batches import batches
from espalier.rollout.commands import current_user
from espalier.rollout.connect import reachability
from espalier.rollout.display import Display
from espalier.rollout.guard import Guard
from espalier.rollout.lock import Heartbeats, LockError, SiteLock, starting, take
from espalier.rollout.order import Answer, Done, Order, Task
from espalier.rollout.outcome import Outcome
from espalier.rollout.packing import Archive, add_commits, pack
from espalier.rollout.request import Request
from espalier.rollout.runner import Interrupted, run_order
from espalier.rollout.transport import Transport, perform_all
from espalier_machine.common.forms import new_release_id


@dataclass
class Session:
    """A request on its way, over connections that stand already.

    Attributes:
        remote: how the machines are reached.
        hosts: pyinfra's connected hosts, by machine.
        request: what is wanted.
        display: where steps are shown.
    """

    remote: Remote
    hosts: Mapping[str, Host]
    request: Request
    display: Display
    began: float = field(default_factory=time.monotonic)

    @property
    def site(self) -> Site:
        """The site."""
        return self.remote.site

    def run(self) -> Outcome:
        """Release, or roll back; never raises for what goes wrong on the way, or for Ctrl-C."""
        request, site = self.request, self.site
        machines = request.machines or tuple(site.app_machines)
        cut = tuple(tuple(batch) for batch in batches(machines, request.batches))
        order = Order(machines, cut, rollback_to=request.rollback_to)
        try:
            archive = self._pack(order)
            # Before anybody asks what is live: that is true only as long as nobody else releases.
            with self._locked(order) as guard, TemporaryDirectory() as folder:
                order = self._complete(order, archive)
                transport = self._transport(archive, guard.lock.tokens, Path(folder))
                return run_order(
                    order,
                    lambda task: guard.perform(task, transport.perform),
                    lambda tasks, work: guard.perform_all(tasks, work, perform_all),
                    self.display,
                    site.name,
                    self.began,
                )
        except _Stopped as stopped:
            return Outcome(order, (stopped.done,), time.monotonic() - self.began, site.name)
        except Interrupted as stopped:
            return stopped.outcome
        except KeyboardInterrupt:
            seconds = time.monotonic() - self.began
            return Outcome(order, (), seconds, site.name, interrupted=True)

    def _pack(self, order: Order) -> Archive | None:
        if order.is_rollback:
            return None
        if self.request.archive:
            return self.request.archive
        return self._local("pack", order, lambda: pack(self.site, self.request.version))

    def _complete(self, order: Order, archive: Archive | None) -> Order:
        """Add to an order what the site and the archive say."""
        site = self.site
        identity = archive.identity if archive else ""
        # Under --limit, a machine that is left out keeps its cached pages until they expire; their
        # static files are there for as long.
        caching = [name for name in site.machines("nginx") if name in self.hosts]
        # They are for the site, so they are run where its first machine is part of it.
        is_whole = order.first == site.app_machines[0]
        hooks = (site.project.get("hooks") or {}) if is_whole else {}
        build_on = str(site.project.get("build_on") or "")
        return Order(
            machines=order.machines,
            batches=order.batches,
            identity=identity,
            new_id=new_release_id(identity) if archive else "",
            rollback_to=order.rollback_to,
            caching=tuple(caching) if site.project.get("microcache") else (),
            build_on=builder(build_on, site.app_machines, order.machines),
            hooks=tuple(moment for moment, commands in hooks.items() if commands),
            only_plan=self.request.only_plan,
            only_known_fronts=self.request.only_known_fronts,
        )

    def _transport(
        self, archive: Archive | None, tokens: Mapping[str, str], folder: Path
    ) -> Transport:
        def add_to_plan(plan: dict[str, Any]) -> None:
            add_commits(plan, self.site, self.request.version)

        return Transport(
            project=self.site.name,
            hosts=self.hosts,
            variables=self.site.variables,
            check_reachable=reachability(self.remote),
            # A copy: who packs meanwhile may remove it from the cache, and with `build_on:` it
            # is wanted once more when the first machine has built.
            archive=Path(shutil.copy(archive.path, folder)) if archive else None,
            wheels=folder / "wheels.tar",
            lab=container_name(self.site.name, self.site.inventory),
            packages=tuple(self.site.project.get("packages") or ()),
            by=self.request.by or current_user(),
            accept=self.request.accept,
            tokens=tokens,
            add_to_plan=add_to_plan,
        )

    @contextmanager
    def _locked(self, order: Order) -> Iterator[Guard]:
        """Hold the lock over the site, or what of it whoever asks does not hold.

        On a first run, `site.yml` finds no command on its machines that could hold a lock. Where
        the block does not end by itself, the machines keep that something was cut off: steps may
        still run on them.
        """
        held = self.request.tokens
        machines = self.site.app_machines
        if held is not None:
            machines = [name for name in order.machines if name not in held]
        what = "rollback" if order.is_rollback else "release"
        by = self.request.by or current_user()
        with starting(self.site, what, by) as start:
            lock = SiteLock()
            if machines:
                lock = self._local(
                    "lock", order, lambda: take(machines, start), lambda lock: lock.note
                )
            lock.lend(held or {})
            heartbeats = Heartbeats(lock, self.display.doing)
            try:
                yield Guard(lock, start, self.display)
            except BaseException:
                heartbeats.stop()
                lock.cut_off()
                raise
            heartbeats.stop()
            lock.release()

    def _local(
        self,
        step: str,
        order: Order,
        work: Callable[[], Any],
        note: Callable[[Any], str] = lambda found: str(getattr(found, "note", "")),
    ) -> Any:
        """Do a step that no single machine does, and show it.

        Raises:
            _Stopped: it failed.
        """
        began = time.monotonic()
        self.display.begin(step, order.first)
        try:
            found = work()
        except SiteError as error:
            took = time.monotonic() - began
            self.display.end(step, order.first, took, "FAILED")
            answer = Answer(error=str(error), detail=error.detail, status=error.status)
            where = error.machine if isinstance(error, LockError) else order.first
            raise _Stopped(Done(Task(step, where), answer)) from error
        self.display.end(step, order.first, time.monotonic() - began, note(found))
        return found


class _Stopped(Exception):
    """A step before the machines' own failed."""

    def __init__(self, done: Done) -> None:
        super().__init__(done.answer.error)
        self.done = done
