"""Uploads on another machine, kept by its nginx (`http_dav_module`), for more than one app machine.

A file is sent to a temporary name and then moved to its own, which nginx refuses if that is taken;
so nobody ever sees half a file, and two machines never overwrite each other's.
"""

import contextlib
import http.client
import io
import json
import os
import shutil
import tempfile
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit
from uuid import uuid4

from django.conf import settings
from django.core.exceptions import SuspiciousFileOperation
from django.core.files.base import File
from django.core.files.storage import FileSystemStorage
from django.core.files.utils import validate_file_name
from django.utils import timezone
from django.utils.deconstruct import deconstructible

CHUNK = 256 * 1024  # bytes
TIMEOUT = 10.0  # seconds for each step on the network
# Below the store's root. nginx does not serve names that begin with a dot.
INCOMING, TAKEN = ".incoming", ".taken"


class SharedFile(File):
    """A file of the store: a copy on this machine's disk, sent back when it was written to."""

    def __init__(self, storage: "SharedStorage", name: str, mode: str) -> None:
        """Fetch the file, unless it is to be written anew."""
        self._storage, self._written = storage, False
        binary = tempfile.TemporaryFile()  # noqa: SIM115 (closed with the file)
        if "w" not in mode and "x" not in mode:
            try:
                storage._fetch(name, binary)
            except FileNotFoundError:
                if "a" not in mode:
                    binary.close()
                    raise
            if "a" not in mode:
                binary.seek(0)
        self._binary = binary
        super().__init__(binary if "b" in mode else io.TextIOWrapper(binary, "utf-8"), name)
        self.mode = mode

    @property
    def size(self) -> int:
        """Return the length in bytes."""
        return os.fstat(self._binary.fileno()).st_size

    def close(self) -> None:
        """Send what was written, and forget the copy."""
        if self.closed:
            return
        try:
            if set(self.mode) & set("wax+"):
                self.file.flush()
                self._binary.seek(0)
                self._storage._replace(self.name, self._binary)
        finally:
            super().close()


@deconstructible(path="espalier_overlay.media.SharedStorage")
class SharedStorage(FileSystemStorage):
    """Django's file storage, with the files on another machine.

    A path is that of a copy under MEDIA_ROOT, which is only good for reading.
    """

    def __init__(self, store: str = "", token: str = "", **options: Any) -> None:
        """Take the store's URL, the token that opens it, and what FileSystemStorage takes."""
        super().__init__(**options)
        self._store, self._token = store, token
        parts = urlsplit(store)
        self._host, self._port = parts.hostname or "", parts.port or 80
        self._root = parts.path if parts.path.endswith("/") else f"{parts.path}/"

    def path(self, name: str) -> str:
        """Return where a copy of the file is on this machine; it is fetched if it is not the same.

        A name that the store does not have is a path at which nothing is, as with Django's storage.
        """
        path = Path(super().path(name))
        found = self._head(name)
        if found is None:
            return str(path)
        size, modified = found
        with contextlib.suppress(OSError):
            here = path.stat()
            if here.st_size == size and int(here.st_mtime) == int(modified.timestamp()):
                return str(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        copy = tempfile.NamedTemporaryFile(dir=path.parent, prefix=".", delete=False)  # noqa: SIM115
        try:
            with copy:
                self._fetch(name, copy)
            os.utime(copy.name, (modified.timestamp(), modified.timestamp()))
            os.chmod(copy.name, 0o444)
            os.replace(copy.name, path)
        except BaseException:
            os.unlink(copy.name)
            raise
        return str(path)

    def exists(self, name: str) -> bool:
        """Tell whether the store has the file, or a directory of that name."""
        with self._request("HEAD", self._url(name)) as response:
            self._check(response, name, 200, 301, 404)
            return response.status != 404

    def size(self, name: str) -> int:
        """Return the length in bytes."""
        return self._found(name)[0]

    def get_modified_time(self, name: str) -> datetime:
        """Return when the file was last written, to the second."""
        modified = self._found(name)[1]
        return modified if settings.USE_TZ else timezone.make_naive(modified)

    # The store knows no other times.
    get_created_time = get_accessed_time = get_modified_time

    def delete(self, name: str) -> None:
        """Delete a file or an empty directory; nothing happens if it is not there."""
        if not name:
            raise ValueError("The name must be given to delete().")
        with self._request("DELETE", self._url(name)) as response:
            if response.status in (409, 404):
                return
            self._check(response, name, 204)
        with contextlib.suppress(OSError, SuspiciousFileOperation):
            os.unlink(super().path(name))

    def listdir(self, path: str) -> tuple[list[str], list[str]]:
        """Return the names of the directories and of the files in a directory."""
        place = f"{path.strip('/')}/" if path.strip("/.") else ""
        with self._request("GET", self._url(place)) as response:
            self._check(response, path, 200)
            entries = json.load(response)
        names = [(e["name"], e["type"]) for e in entries if not e["name"].startswith(".")]
        directories = [name for name, kind in names if kind == "directory"]
        return directories, [name for name, kind in names if kind == "file"]

    def _open(self, name: str, mode: str = "rb") -> File:
        return SharedFile(self, name, mode)

    def _save(self, name: str, content: Any) -> str:
        sent = self._send(name, content)
        moved = False
        try:
            if getattr(self, "_allow_overwrite", False):
                moved = self._move(sent, name, overwrite=True)
            while not moved:
                moved = self._move_alone(sent, name)
                if not moved:
                    other = self.get_alternative_name(*os.path.splitext(name))
                    name = self.get_available_name(other)
        finally:
            if not moved:
                self._remove(sent)
        return str(name).replace("\\", "/")

    def _move_alone(self, sent: str, name: str) -> bool:
        """Move a sent file to a name that nobody has; False if somebody has it, or is about to.

        nginx looks for the target and then moves: two machines could both find nothing. Only its
        MKCOL (mkdir) is atomic, so the directory of this name's mark decides who may move.
        """
        mark = self._url(f"{TAKEN}/{sha256(str(name).encode()).hexdigest()}/")
        if not self._make(mark):
            return False
        try:
            return self._move(sent, name, overwrite=False)
        finally:
            self._remove(mark)

    def _replace(self, name: str, content: Any) -> None:
        """Send a file to a name that may be taken."""
        self._move(self._send(name, content), name, overwrite=True)

    def _send(self, name: str, content: Any) -> str:
        """Send the content to a temporary name, and return its URL's path."""
        url = self._url(f"{INCOMING}/{uuid4().hex}")
        chunks = content.chunks(CHUNK) if hasattr(content, "chunks") else _chunks(content)
        with self._request("PUT", url, body=_bytes(chunks)) as response:
            self._check(response, name, 201, 204)
        return url

    def _make(self, url: str) -> bool:
        """Make a directory; False if it is there."""
        with self._request("MKCOL", url) as response:
            if response.status == 409:  # the directory above it is not there yet
                pass
            else:
                self._check(response, url, 201, 405)
                return response.status == 201
        with self._request("MKCOL", self._url(f"{TAKEN}/")) as response:
            self._check(response, url, 201, 405)
        return self._make(url)

    def _move(self, url: str, name: str, *, overwrite: bool) -> bool:
        """Move a sent file to its name; False if that is taken and not to be overwritten."""
        headers = {"Destination": self._url(name), "Overwrite": "T" if overwrite else "F"}
        with self._request("MOVE", url, headers) as response:
            if response.status == 412 and not overwrite:
                return False
            self._check(response, name, 201, 204)
            return True

    def _remove(self, url: str) -> None:
        """Delete what may be there, whatever happens."""
        with contextlib.suppress(OSError), self._request("DELETE", url):
            pass

    def _fetch(self, name: str, target: Any) -> None:
        with self._request("GET", self._url(name)) as response:
            self._check(response, name, 200)
            shutil.copyfileobj(response, target, CHUNK)

    def _found(self, name: str) -> tuple[int, datetime]:
        found = self._head(name)
        if found is None:
            raise FileNotFoundError(f"The media store has no file {name!r}.")
        return found

    def _head(self, name: str) -> tuple[int, datetime] | None:
        """Return length and time, None if there is no such file."""
        with self._request("HEAD", self._url(name)) as response:
            if response.status in (301, 404):  # 301: a directory
                return None
            self._check(response, name, 200)
            modified = response.headers.get("Last-Modified")
            when = parsedate_to_datetime(modified) if modified else datetime.now(UTC)
            return int(response.headers.get("Content-Length") or 0), when

    def _url(self, name: str) -> str:
        """Return the path of a name's URL. Refuses a name that leads out of the store."""
        name = str(name).replace("\\", "/")
        if name and name != "/":
            validate_file_name(name.rstrip("/"), allow_relative_path=True)
        return self._root + quote(name)

    def _check(self, response: http.client.HTTPResponse, name: str, *expected: int) -> None:
        if response.status in expected:
            return
        if response.status == 404:
            raise FileNotFoundError(f"The media store has no file {name!r}.")
        raise OSError(
            f"The media store at {self._host}:{self._port} answered {response.status} "
            f"{response.reason} for {name!r}. See nginx's error log there."
        )

    @contextlib.contextmanager
    def _request(
        self, method: str, url: str, headers: dict[str, str] | None = None, body: Any = None
    ) -> Iterator[http.client.HTTPResponse]:
        """Send a request and give its response, over the connection that this thread keeps.

        Raises:
            OSError: the store cannot be reached, or is too slow.
        """
        connections = _kept.__dict__
        key = (self._host, self._port)
        connection = connections.get(key)
        kept = connection is not None
        headers = {"Authorization": f"Bearer {self._token}", **(headers or {})}
        try:
            # nginx closes a connection that was idle for long: then a second try is harmless. Not
            # with a body, which can be read only once, and so goes over a new connection.
            if kept and body is not None:
                connection.close()
                kept = False
            if connection is None:
                connection = http.client.HTTPConnection(self._host, self._port, timeout=TIMEOUT)
                connections[key] = connection
            try:
                connection.request(method, url, body, headers)
                response = connection.getresponse()
            except (http.client.RemoteDisconnected, ConnectionError):
                connection.close()
                if not kept:
                    raise
                connection.request(method, url, None, headers)
                response = connection.getresponse()
            yield response
            response.read(CHUNK)
            if not response.isclosed():  # not read to its end: the rest would be the next answer
                connection.close()
        except (http.client.HTTPException, OSError) as error:
            if connection is not None:
                connection.close()
            if isinstance(error, FileNotFoundError) or str(error).startswith("The media store"):
                raise
            raise OSError(
                f"The media store at {self._host}:{self._port} cannot be reached: "
                f"{error or type(error).__name__}. Is nginx running there?"
            ) from error
        except BaseException:
            if connection is not None:
                connection.close()
            raise


# Not on the storage: that may be copied and pickled.
_kept = threading.local()


def _chunks(file: Any) -> Iterator[bytes]:
    while chunk := file.read(CHUNK):
        yield chunk


def _bytes(chunks: Iterator[Any]) -> Iterator[bytes]:
    """Encode text, which FileSystemStorage takes too."""
    for chunk in chunks:
        data = chunk.encode() if isinstance(chunk, str) else chunk
        if data:  # an empty chunk would end the body
            yield data
