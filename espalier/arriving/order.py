"""The order in which data is brought in, and the way back from each step of it.

Until the site is closed, only copies have been made. The database that was there is renamed and
kept; the new one takes its name when its rows are as many as those of the source.
"""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from espalier.arriving import compare, refusals, uploads
from espalier.arriving.dumpfile import DumpFile
from espalier.arriving.primary import AS_POSTGRES, Primary, chunks
from espalier.arriving.url import SourceUrl
from espalier.inventory.remote import Remote, explain
from espalier.inventory.site import Site, SiteError
from espalier.progress.report import CUT_OFF, FAILED, counted
from espalier.rollout.commands import current_user, release_command
from espalier.rollout.display import Display
from espalier.rollout.lock import Heartbeats, starting, take

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
CLEAR_CACHE = "from django.core.cache import cache; cache.clear()"


@dataclass(frozen=True)
class Request:
    """What is to be brought in: a database by its URL or as a dump, or none; uploads, or none."""

    source: SourceUrl | None = None
    dump: DumpFile | None = None
    media: Path | None = None
    replace: bool = False


@dataclass
class Report:
    """What was done: rows by table before and after, where what was there before is kept."""

    before: Mapping[str, int] = field(default_factory=dict)
    after: Mapping[str, int] = field(default_factory=dict)
    database_aside: str = ""
    uploads: uploads.Received | None = None
    notes: list[str] = field(default_factory=list)


class Import:
    """One import into a site."""

    def __init__(self, site: Site, remote: Remote, request: Request, display: Display) -> None:
        """Take the site, how it is reached, what is wanted, and what shows each step."""
        self.site, self.remote, self.request, self.display = site, remote, request, display
        self.machine = site.machines("postgresql_primary")[0]
        self.primary = Primary(remote, self.machine)
        self.stamp = f"{datetime.now(UTC):%Y%m%d_%H%M%S}"
        self.report = Report()
        self.of_extensions: Collection[str] = ()  # tables whose rows extensions make, too

    def run(self) -> Report:
        """Bring it in.

        Raises:
            SiteError: it was refused, or failed; the site is as it was, but for uploads that had
                arrived.
        """
        media = uploads.find_uploads(self.request.media) if self.request.media else None
        media_machine = uploads.uploads_machine(self.site) if media else ""
        files = uploads.count_there(self.remote, self.site, media_machine) if media else 0
        if not self._release(self.site.app_machines[0], ["status"], {})["live"]:
            raise SiteError(
                "No release is live yet. Deploy the project first, on an empty database: "
                "`espalier site`. Nothing was changed."
            )
        if not (self.request.source or self.request.dump):
            refusals.check_new({}, files, replace=self.request.replace)
            self._send_uploads(media, media_machine)
            return self.report
        with self.primary.prepared(), ExitStack() as stack:
            with self._step("look", self.machine):
                there = self.primary.ask("look", database=self.site.name)
            refusals.check_new(there["rows"], files, replace=self.request.replace)
            self._fetch(there, stack)
            kind = self.request.dump.kind if self.request.dump else "custom"
            with self._step("inspect", self.machine):
                found = self.primary.ask("inspect", kind=kind)
            self._check_dump(found, there)
            self._send_uploads(media, media_machine)
            self._put_in_place(kind, found)
        return self.report

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
        with self._step("source", self.machine) as notes:
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
        names = [statement.split()[5].strip('";') for statement in found["extensions"]]
        version = there["version"]["name"]
        refusals.check_extensions(names, there["extensions"], version, self.machine)
        self.report.notes += [f"not loaded: {what}" for what in found["left_out"]]
        if self.request.dump:
            self.report.before = found["rows"]
        elif wrong := compare.differing(self.report.before, self._without(found["rows"])):
            raise SiteError(
                f"The dump does not have all rows of the source: {', '.join(wrong)} differ. "
                "Nothing of the site was changed.",
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
            self.report.notes.append(f"{media.skipped} of --media are no plain files, and skipped")
        with self._step("uploads", machine) as notes:
            self.report.uploads = uploads.send(
                self.remote, self.site, machine, media, self.stamp.replace("_", "-")
            )
            notes.append(counted(len(media.names), "file"))

    def _put_in_place(self, kind: str, found: Mapping[str, Any]) -> None:
        """Close the site, load, exchange the databases, migrate, and open it."""
        site, new = self.site.name, NEW.format(self.site.name)
        with self._locked() as tokens, self._closed():
            with self._step("load", self.machine):
                loaded = self.primary.ask(
                    "load", kind=kind, owner=site, database=new, extensions=found["extensions"]
                )
            self.report.after, self.of_extensions = loaded["rows"], loaded["of_extensions"]
            self.report.before = self._without(self.report.before)
            if wrong := compare.differing(self.report.before, self.report.after):
                self.primary.ask("drop", database=new)
                raise SiteError(
                    f"The rows of {', '.join(wrong)} are not as many as before. The site is as it "
                    "was.",
                    1,
                    compare.table(self.report.before, self.report.after),
                )
            aside = ASIDE.format(site, self.stamp)
            try:
                with self._step("exchange", self.machine):
                    self._exchange(new, aside)
                self._use(tokens)
            except BaseException:
                # Where they were not exchanged, this is refused.
                with suppress(SiteError):
                    rejected = REJECTED.format(site, self.stamp)
                    self._exchange(aside, rejected)
                    self.display.line(
                        f"The database of before is back; the imported one is kept as {rejected}."
                    )
                raise
            self.report.database_aside = aside

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

    def _use(self, tokens: Mapping[str, str]) -> None:
        """Migrate the new database to the live release, and have every process see it."""
        first = self.site.app_machines[0]
        live = self._release(first, ["status"], tokens)["live"]
        with self._step("migrate", first):
            self._release(first, ["migrate", live["id"]], tokens)
        for machine in self.site.app_machines:
            with self._step("restart", machine):
                self._release(machine, ["restart"], tokens)
                units = f"{self.site.name}-process@*.service"
                self.remote.run(machine, ["systemctl", "restart", units])
        if self.site.machines("redis"):
            words = ["release", "--project", self.site.name, "manage", "--", "shell", "-c"]
            status, _, errors = self.remote.run(first, [*words, CLEAR_CACHE])
            if status:
                self.report.notes.append(f"the cache was not emptied: {explain(errors)}")

    def _release(
        self, machine: str, arguments: list[str], tokens: Mapping[str, str]
    ) -> dict[str, Any]:
        words = release_command(
            self.site.name, arguments, by=current_user(), token=tokens.get(machine, "")
        )
        _, out, errors = self.remote.run(machine, words)
        try:
            answer: dict[str, Any] = json.loads(out)
        except ValueError:
            raise SiteError(f"{machine}: {explain(errors)}", 1, errors) from None
        if not answer["ok"]:
            raise SiteError(f"{machine}: {answer['error']}", 1, answer.get("detail") or "")
        return answer

    @contextmanager
    def _locked(self) -> Iterator[Mapping[str, str]]:
        """Hold the lock over the site; gives its tokens."""
        with starting(self.site, "import", current_user()) as start:
            with _undisturbed():  # else Ctrl-C would end the connections that hold it
                lock = take(self.site.app_machines, start)
            heartbeats = Heartbeats(lock, lambda: "import")
            try:
                yield lock.tokens
            finally:
                heartbeats.stop()
                lock.release()

    @contextmanager
    def _closed(self) -> Iterator[None]:
        """Have the site closed for maintenance, and open again where it was open."""
        opening = []
        try:
            for machine in self.site.machines("nginx"):
                if self._maintenance(machine, "status").startswith("/ is closed"):
                    self.report.notes.append(
                        f"{machine} was closed before, and still is: espalier maintenance off"
                    )
                else:
                    opening.append(machine)
                    self._maintenance(machine, "on")
            yield
        finally:
            for machine in opening:
                self._maintenance(machine, "off")

    def _maintenance(self, machine: str, state: str) -> str:
        status, out, errors = self.remote.run(machine, ["maintenance", state, "/"])
        if status:
            raise SiteError(f"{machine}: {explain(errors)}", 1, errors)
        return out

    @contextmanager
    def _step(self, name: str, machine: str) -> Iterator[list[str]]:
        """Show a step while it runs, and when it has ended, with the notes that it collects."""
        began, notes = time.monotonic(), list[str]()
        self.display.begin(name, machine)
        try:
            yield notes
        except BaseException as error:
            notes = [FAILED if isinstance(error, Exception) else CUT_OFF]
            raise
        finally:
            self.display.end(name, machine, time.monotonic() - began, ", ".join(notes))


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Have Ctrl-C end nothing meanwhile, neither here nor in a program that is started."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
