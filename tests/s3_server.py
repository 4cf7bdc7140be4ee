"""Where the copies of a lab go: an S3 server with real files, on this machine."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.steps import Wrong

# pgBackRest of Debian 12 takes certificates for names alone.
NAME, S3_PORT = "s3.lab", 9443
KEYS = ("orchard-key", "orchard-secret")
OTHER_KEYS = ("another-key", "another-secret")
BUCKET = "copies"


class S3:
    """rclone's S3 server: its objects are files below `folder`."""

    def __init__(self, home: Path, address: str, size: str = "") -> None:
        """Nothing is started yet.

        Args:
            home: a directory of the lab.
            address: of this machine, as those of the lab see it.
            size: of a disk of its own in memory, as tmpfs takes it; "" for files below `home`.
        """
        self.home, self.address, self.size = home / "s3", address, size
        self.folder = self.home / "data"
        self.certificate, self.key = self.home / "s3.crt", self.home / "s3.key"
        self.pid = self.home / "pid"

    @property
    def place(self) -> dict[str, str]:
        """What `backup` of hosts.yml says of it."""
        return {"to": "s3", "bucket": BUCKET, "endpoint": f"{NAME}:{S3_PORT}"}

    def trust(self) -> str:
        """A script that has a machine know its name, and trust its certificate."""
        pem = self.certificate.read_text()
        return (
            f"cat > /usr/local/share/ca-certificates/s3.crt <<'END'\n{pem}END\n"
            f"update-ca-certificates > /dev/null 2>&1\n{self.know()}"
        )

    def know(self) -> str:
        """A script that has a machine know its name; podman forgets it where one starts anew."""
        return f"grep -q {NAME} /etc/hosts || echo '{self.address} {NAME}' >> /etc/hosts"

    def prepare(self) -> None:
        """Make the bucket, and the certificate that machines are to trust."""
        self.folder.mkdir(parents=True)
        if self.size:
            mount = ["mount", "-t", "tmpfs", "-o", f"size={self.size}", "copies", str(self.folder)]
            subprocess.run(mount, check=True)
        (self.folder / BUCKET).mkdir()
        request = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30"]
        request += ["-subj", f"/CN={NAME}", "-addext", f"subjectAltName=DNS:{NAME}"]
        request += ["-keyout", str(self.key), "-out", str(self.certificate)]
        subprocess.run(request, check=True, capture_output=True)

    def start(self, keys: tuple[str, str] = KEYS) -> None:
        """Serve, in place of what an earlier run has left.

        It remembers directories: so it is started anew where one was changed behind its back.
        """
        self.stop()
        program = Path(sys.executable).parent / "rclone"
        words = [str(program), "serve", "s3", str(self.folder)]
        words += ["--addr", f"{self.address}:{S3_PORT}", "--auth-key", ",".join(keys)]
        words += ["--cert", str(self.certificate), "--key", str(self.key)]
        words += ["--config", "/dev/null", "--log-level", "NOTICE"]
        with (self.home / "log").open("a") as log:
            job = subprocess.Popen(words, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        self.pid.write_text(str(job.pid))
        context = ssl.create_default_context(cafile=str(self.certificate))
        until = time.monotonic() + 20
        while time.monotonic() < until:
            with contextlib.suppress(OSError):
                with socket.create_connection((self.address, S3_PORT), 2) as plain:
                    context.wrap_socket(plain, server_hostname=NAME).close()
                return
            time.sleep(0.1)
        raise Wrong("the S3 server does not answer")

    def remove(self) -> None:
        """Serve no longer, and give back the disk."""
        self.stop()
        if self.folder.is_mount():
            subprocess.run(["umount", "--lazy", str(self.folder)], check=True)

    def stop(self) -> None:
        """Serve no longer."""
        if not self.pid.exists():
            return
        number = int(self.pid.read_text())
        with contextlib.suppress(ProcessLookupError, FileNotFoundError):
            if "rclone" in Path(f"/proc/{number}/cmdline").read_text():
                os.kill(number, signal.SIGTERM)
        self.pid.unlink()

    @contextmanager
    def filled(self) -> Iterator[None]:
        """Have no byte be free meanwhile: the bucket is on a disk of its own."""
        rest = self.folder / BUCKET / "rest"
        free = shutil.disk_usage(self.folder).free
        try:
            with contextlib.suppress(OSError), rest.open("wb") as file:
                for _ in range(free // 2**16 + 2):
                    file.write(b"x" * 2**16)
                    file.flush()
            yield
        finally:
            rest.unlink(missing_ok=True)

    def empty(self) -> Path:
        """Empty the bucket, and keep what was there; gives where it is."""
        aside = self.folder / "aside"
        (self.folder / BUCKET).rename(aside)
        (self.folder / BUCKET).mkdir()
        self.start()
        return aside

    def fill(self, aside: Path) -> None:
        """Put back what was there."""
        shutil.rmtree(self.folder / BUCKET)
        aside.rename(self.folder / BUCKET)
        self.start()
