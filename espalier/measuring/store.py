"""Where measurements are kept: `.measurements/` beside the inventory, for its owner alone.

`<id>.json.gz` is a recording, `<id>.load.json` what was sent while it was made, `<id>.advice.json`
what was advised of it, and `ledger.jsonl` has a line for each proof. The directory hides itself
from git, whatever the project's `.gitignore` says.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from espalier.insight.advice import Advice
from espalier.insight.recording import Recording, RecordingError, read_recording, write_recording
from espalier.inventory.secret_files import private_directory
from espalier.inventory.site import SiteError

DIRECTORY = ".measurements"
RECORDING, LOAD, ADVICE, LEDGER = ".json.gz", ".load.json", ".advice.json", "ledger.jsonl"
_ADVICE: TypeAdapter[Advice] = TypeAdapter(Advice)


def new_id(now: datetime | None = None) -> str:
    """A name for a recording, which sorts by time: 20261201-041500-3f2a (UTC)."""
    return f"{now or datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"


@dataclass(frozen=True)
class Store:
    """The measurements of one environment.

    Attributes:
        inventory: its directory.
    """

    inventory: Path

    @property
    def directory(self) -> Path:
        """Where they are."""
        return self.inventory / DIRECTORY

    def names(self) -> list[str]:
        """The ids of all recordings, oldest first."""
        found = self.directory.glob(f"*{RECORDING}")
        return sorted(path.name.removesuffix(RECORDING) for path in found)

    def path(self, name: str) -> Path:
        """The file of a recording."""
        return self.directory / f"{name}{RECORDING}"

    def write(self, recording: Recording) -> Path:
        """Keep a recording; gives its file."""
        self._make()
        path = self.path(recording.id)
        write_recording(recording, path)
        return path

    def read(self, name: str) -> Recording:
        """A recording by its id, or by the path of any file.

        Raises:
            SiteError: there is none of that name, or the file is no recording.
        """
        path = self.path(name) if name in self.names() else Path(name)
        if not path.is_file():
            known = ", ".join(self.names()[-3:]) or "none yet"
            raise SiteError(
                f"There is no recording {name}: write a file, or one of those in "
                f"{self.directory} (the newest: {known}).",
                2,
            )
        return read_file(path)

    def newest(self) -> Recording:
        """The newest recording.

        Raises:
            SiteError: there is none.
        """
        names = self.names()
        if not names:
            raise SiteError(
                f"{self.inventory.name} has not been measured yet: `espalier measure` watches what "
                "visitors do, `espalier load` sends some to a lab or a staging site.",
                2,
            )
        return self.read(names[-1])

    def newest_of_visitors(self) -> Recording:
        """The newest recording that was made without a load.

        Raises:
            SiteError: there is none.
        """
        for name in reversed(self.names()):
            found = self.read(name)
            if found.purpose == "measure":
                return found
        raise SiteError(
            f"What the visitors of {self.inventory.name} do is not known: `espalier measure -e "
            f"{self.inventory.name}` watches them.",
            2,
        )

    def write_advice(self, name: str, advice: Advice) -> Path:
        """Keep what was advised of a recording, beside it; gives the file.

        Raises:
            SiteError: it cannot be written there.
        """
        self._make()
        path = self.directory / f"{name}{ADVICE}"
        try:
            _write(path, _ADVICE.dump_json(advice, indent=1) + b"\n")
        except OSError as error:
            raise SiteError(f"{path} cannot be written: {error.strerror or error}.") from None
        return path

    def read_advice(self, name: str) -> Advice | None:
        """What was advised of a recording; None where that was not kept."""
        path = self.directory / f"{name}{ADVICE}"
        if not path.is_file():
            return None
        try:
            return _ADVICE.validate_json(path.read_bytes())
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(map(str, first["loc"]))
            raise SiteError(
                f"{path} is no advice: {where}: {first['msg']}. `espalier advise {name}` makes it "
                "anew.",
                2,
            ) from None

    def write_load(self, name: str, sent: Mapping[str, Any]) -> None:
        """Keep what was sent while a recording was made: its `profile` and its `plan`."""
        self._make()
        _write(self.directory / f"{name}{LOAD}", json.dumps(sent, indent=1).encode() + b"\n")

    def read_load(self, name: str) -> dict[str, Any]:
        """What was sent while a recording was made.

        Raises:
            SiteError: that is not known.
        """
        path = self.directory / f"{name}{LOAD}"
        try:
            found = json.loads(path.read_bytes())
            return {"profile": dict(found["profile"]), "plan": dict(found["plan"])}
        except (OSError, ValueError, TypeError, KeyError):
            raise SiteError(
                f"What was sent in the load {name} is not known ({path} has it), so that it cannot "
                "be sent again: `espalier load`, `espalier advise`, and prove the change then.",
                2,
            ) from None

    def newest_advised(self) -> str:
        """The id of the newest recording that has an advice; "" where none has."""
        found = sorted(self.directory.glob(f"*{ADVICE}"))
        names = [path.name.removesuffix(ADVICE) for path in found]
        kept = set(self.names())
        return next((name for name in reversed(names) if name in kept), "")

    def ledger(self) -> list[dict[str, Any]]:
        """Every proof, oldest first. A line that was cut off is left out."""
        path = self.directory / LEDGER
        if not path.is_file():
            return []
        found = []
        for line in path.read_text(errors="replace").splitlines():
            try:
                entry = json.loads(line)
            except ValueError:
                continue
            if isinstance(entry, dict):
                found.append(entry)
        return found

    def append(self, entry: Mapping[str, Any]) -> None:
        """Add a proof to the ledger: it is on the disk when this returns."""
        self._make()
        path = self.directory / LEDGER
        # A line that was cut off must not take this one with it.
        cut = path.is_file() and path.stat().st_size > 0 and not path.read_bytes().endswith(b"\n")
        line = ("\n" if cut else "") + json.dumps(entry) + "\n"
        number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            os.write(number, line.encode())
            os.fsync(number)
        finally:
            os.close(number)

    def _make(self) -> None:
        private_directory(self.directory)
        if not os.access(self.directory, os.W_OK):
            raise SiteError(
                f"Measurements are kept in {self.directory}, and it cannot be written to: make it, "
                "or let the directory of the inventory be yours."
            )


def read_file(path: Path) -> Recording:
    """Read a recording; SiteError where the file is none."""
    try:
        return read_recording(path)
    except RecordingError as error:
        raise SiteError(str(error), 2) from None


def _write(path: Path, content: bytes) -> None:
    """Write a file whole or not at all, for its owner alone."""
    unfinished = path.with_name(f".{path.name}.new")
    try:
        unfinished.touch(mode=0o600)
        unfinished.write_bytes(content)
        os.replace(unfinished, path)
    except OSError:
        with suppress(OSError):
            unfinished.unlink()
        raise
