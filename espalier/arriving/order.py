"""The order in which data is brought in, and the way back from each step of it.

Until the site is closed, only copies have been made. The database that was there is renamed and
kept; the new one takes its name when its rows are as many as those of the source.
"""

from __future__ import annotations

import signal
from collections.abc import Collection, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from espalier.arriving import compare, refusals, uploads
from espalier.arriving.dumpfile import DumpFile
from espalier.arriving.job import chunks
from espalier.arriving.live import LiveRelease
from espalier.arriving.primary import AS_POSTGRES, FOLDER, NoAnswer, Primary
from espalier.arriving.report import Report
from espalier.arriving.url import SourceUrl
from espalier.inventory.remote import Remote, explain
from espalier.inventory.site import Site, SiteError
from espalier.rollout.commands import current_user
from espalier.rollout.display import Display
from espalier.rollout.guard import Guard
from espalier.rollout.lock import Heartbeats, starting, take
from espalier_machine.common.text import counted

# PostgreSQL's names have 63 bytes, a project's at most 31.
NEW, ASIDE, REJECTED = "{}_import", "{}_before_{}", "{}_imported_{}"
# On a replica: whoever is connected stays with the database that has another name now, and a pool
# keeps its connections for long.
DISCONNECT = """
export PGHOST=/run/postgresql PGPORT=5432 PGDATABASE=postgres
cd /
for _ in $(seq 120); do
  if [ "$(psql -XAtqc "SELECT 1 FROM pg_database WHERE datname = '$1'")" = 1 ]; then
    end="SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '$1'"
    exec psql -XAtqc "$end"
  fi
  sleep 0.5
done
echo "it has not followed the primary for a minute" >&2
exit 1
"""
# Ctrl-C, the end of a terminal, and the end that CI asks for.
ENDING = (signal.SIGINT, signal.SIGHUP, signal.SIGTERM)
UNCHANGED = "The site is as it was."


@dataclass(frozen=True)
class Request:
    """What is to be brought in: a database by its URL or as a dump, or none; uploads, or none."""

    source: SourceUrl | None = None
    dump: DumpFile | None = None
    media: uploads.Uploads | None = None
    replace: bool = False


class Import:
    """One import into a site."""

    def __init__(self, site: Site, remote: Remote, request: Request, display: Display) -> None:
        """Take the site, how it is reached, what is wanted, and what shows each step."""
        self.site, self.remote, self.request, self.display = site, remote, request, display
        self.machine = site.machines("postgresql_primary")[0]
        self.primary = Primary(remote, self.machine)
        self.stamp = f"{datetime.now(UTC):%Y%m%d_%H%M%S}"
        self.report = Report()
        self.live = LiveRelease(site, remote, self.report, self._step)
        self.of_extensions: Collection[str] = ()  # tables whose rows extensions make, too

    def run(self) -> Report:
        """Bring it in.

        Raises:
            SiteError: it was refused, or failed; `aftermath` says how the site is.
        """
        media = self.request.media
        media_machine = uploads.uploads_machine(self.site) if media else ""
        with self._locked() as guard:
            self._bring_in(guard, media, media_machine)
        return self.report

    def aftermath(self) -> str:
        """How the site is after an import that did not come to its end, in sentences."""
        stays = [*(self.report.wrong or [UNCHANGED]), *self.report.stays]
        if not self.primary.is_clean:
            stays.append(
                f"{FOLDER} on {self.machine}, and maybe the database "
                f"{NEW.format(self.site.name)}, are still there: the next import removes them."
            )
        return " ".join(stays)

    def _bring_in(self, guard: Guard, media: uploads.Uploads | None, media_machine: str) -> None:
        files = uploads.count_there(self.remote, self.site, media_machine) if media else 0
        if not self.live.is_there():
            raise SiteError(
                "No release is live yet. Deploy the project first, on an empty database: "
                "`espalier site`. Nothing was changed.",
                2,
            )
        if not (self.request.source or self.request.dump):
            refusals.check_new({}, files, replace=self.request.replace)
            self._send_uploads(media, media_machine)
            return
        with self.primary.prepared(), ExitStack() as stack:
            with self._step("look", self.machine), _refusing():
                new = NEW.format(self.site.name)
                there = self.primary.ask(
                    "look", database=self.site.name, new=new, rows=not self.request.replace
                )
            refusals.check_new(there["rows"], files, replace=self.request.replace)
            self._fetch(there, stack)
            kind = self.request.dump.kind if self.request.dump else "custom"
            with self._step("inspect", self.machine), _refusing():
                found = self.primary.ask("inspect", kind=kind)
            self._check_dump(found, there)
            self._send_uploads(media, media_machine)
            self._put_in_place(guard, kind, found)

    def _fetch(self, there: Mapping[str, Any], stack: ExitStack) -> None:
        """Have the dump on the primary's machine, after all that can be refused before."""
        ours, free = there["version"]["name"], there["free"]
        if dump := self.request.dump:
            refusals.check_version(dump.server, dump.tool, ours, self.machine)
            # What was packed takes several times as much in the database.
            refusals.check_room(dump.path.stat().st_size * 4, free, self.machine)
            with self._step("send", self.machine) as notes, dump.open() as stream:
                notes.append(dump.path.name)
                self.primary.store("dump", chunks(stream))
            return
        assert self.request.source
        with self._step("source", self.machine) as notes, _refusing():
            way = stack.enter_context(self.primary.reaching(self.request.source))
            source = self.primary.ask("source")
            notes.append(f"PostgreSQL {source['version']['name']}, reached {way}")
        refusals.check_version(source["version"]["name"], "", ours, self.machine)
        refusals.check_extensions(source["extensions"], there["extensions"], ours, self.machine)
        refusals.check_room(int(source["bytes"] * 1.5), free, self.machine)
        with self._step("dump", self.machine):
            dumped = self.primary.ask("dump")
        self.report.before, self.of_extensions = dumped["rows"], dumped["of_extensions"]

    def _check_dump(self, found: Mapping[str, Any], there: Mapping[str, Any]) -> None:
        """Refuse a dump that cannot be loaded, or does not have all rows of its source."""
        names = [extension["name"] for extension in found["extensions"]]
        version = there["version"]["name"]
        refusals.check_extensions(names, there["extensions"], version, self.machine)
        self.report.notes += [f"not loaded: {what}" for what in found["left_out"]]
        if self.request.dump:
            self.report.before = found["rows"]
        elif wrong := compare.differing(self.report.before, self._without(found["rows"])):
            raise SiteError(
                f"The dump does not have all rows of the source: {', '.join(wrong)} differ.",
                1,
                compare.table(self.report.before, found["rows"]),
            )

    def _without(self, rows: Mapping[str, int]) -> Mapping[str, int]:
        """Rows by table, without the tables of extensions."""
        return {table: n for table, n in rows.items() if table not in self.of_extensions}

    def _send_uploads(self, media: uploads.Uploads | None, machine: str) -> None:
        if not media:
            return
        if media.skipped:
            skipped = f"{counted(media.skipped, 'upload')} skipped"
            self.report.notes.append(f"{skipped}: no plain file, or its name is no UTF-8")
        with self._step("uploads", machine) as notes:
            self.report.uploads = uploads.send(
                self.remote, self.site, machine, media, self.stamp.replace("_", "-")
            )
            notes.append(counted(media.files, "file"))
        aside = self.report.uploads.aside
        self.report.stays.append(
            f"The uploads have arrived on {machine}, and stay"
            + (f"; those that they replaced are in {aside}." if aside else ".")
        )

    def _put_in_place(self, guard: Guard, kind: str, found: Mapping[str, Any]) -> None:
        """Close the site, load, exchange the databases, migrate, and open it."""
        site, new = self.site.name, NEW.format(self.site.name)
        _renew(guard)
        aside, exchanging = ASIDE.format(site, self.stamp), False
        with self.live.closed():
            with self._step("load", self.machine):
                loaded = self.primary.ask(
                    "load", kind=kind, owner=site, database=new, extensions=found["extensions"]
                )
            try:
                self._compare(loaded)
                _renew(guard)
                exchanging = True
                with self._step("exchange", self.machine):
                    self._exchange(new, aside)
                self.live.use(guard.lock.tokens)
            except BaseException:
                if exchanging:
                    self._exchange_back(aside)
                else:
                    self._drop()
                raise
            self.report.database_aside = aside

    def _compare(self, loaded: Mapping[str, Any]) -> None:
        """Refuse a new database that does not have the rows of the source."""
        self.report.after, self.of_extensions = loaded["rows"], loaded["of_extensions"]
        self.report.before = self._without(self.report.before)
        if wrong := compare.differing(self.report.before, self.report.after):
            raise SiteError(
                f"The rows of {', '.join(wrong)} are not as many as before.",
                1,
                compare.table(self.report.before, self.report.after),
            )

    def _drop(self) -> None:
        """Drop the new database, which never had the site's name."""
        new = NEW.format(self.site.name)
        try:
            self.primary.ask("drop", database=new)
        except SiteError:
            self.report.stays.append(f"The new database is still on {self.machine}, as {new}.")

    def _exchange_back(self, aside: str) -> None:
        """Give the site its database of before again, where it has another one."""
        rejected = REJECTED.format(self.site.name, self.stamp)
        try:
            self._exchange(aside, rejected)
        except NoAnswer as error:
            self.report.wrong.append(
                f"{error} So the site may have the imported database now: where {self.machine} has "
                f"one called {aside}, that is the one of before."
            )
        except SiteError:  # they were not exchanged
            self._drop()
        else:
            self.report.stays.append(f"The imported database is kept as {rejected}.")

    def _exchange(self, new: str, aside: str) -> None:
        """Give a database the site's name, and the site's another one, on every machine."""
        with _undisturbed():
            self.primary.ask("swap", database=self.site.name, new=new, aside=aside)
        for machine in self.site.machines("postgresql_replica"):
            words = [*AS_POSTGRES, "sh", "-c", DISCONNECT, "sh", aside]
            status, _, errors = self.remote.run(machine, words)
            if status:
                self.report.notes.append(
                    f"the replica on {machine} may still show the data of before: {explain(errors)}"
                )

    @contextmanager
    def _locked(self) -> Iterator[Guard]:
        """Hold the lock over the site; gives what takes it again where it is lost."""
        with starting(self.site, "import", current_user()) as start:
            with _undisturbed():  # else Ctrl-C would end the connections that hold it
                lock = take(self.site.app_machines, start)
            if lock.note:
                self.display.line(f"  {lock.note}")
            heartbeats = Heartbeats(lock, lambda: "import")
            try:
                yield Guard(lock, start, self.display)
            finally:
                heartbeats.stop()
                lock.release()

    def _step(self, name: str, machine: str) -> AbstractContextManager[list[str]]:
        """Show a step, with the notes that it collects."""
        return self.display.step(name, machine)


def _renew(guard: Guard) -> None:
    """Take the lock again where a connection that held it has ended: a dump takes its time.

    Raises:
        SiteError: somebody else has it.
    """
    with _undisturbed():
        guard.renew()
    for machine, sentence in guard.lost.items():
        raise SiteError(f"{machine}: {sentence}", 3)


@contextmanager
def _refusing() -> Iterator[None]:
    """What fails here is refused, before anything was touched: the exit status is 2."""
    try:
        yield
    except SiteError as error:
        error.status = 2
        raise


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Have Ctrl-C end nothing meanwhile, neither here nor in a program that is started."""
    before = {number: signal.signal(number, signal.SIG_IGN) for number in ENDING}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
