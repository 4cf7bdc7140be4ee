#!/usr/bin/python
"""Try the destination of the backups: write there, read it back, delete it."""

from __future__ import annotations

DOCUMENTATION = """
module: backup_destination
short_description: Try the destination of the backups
description:
  - Writes a small object where the backups go, reads it back and deletes it. Directories that this
    needs are made, and removed. Nothing stays there, and nothing on the machine.
  - Needs nothing that a new machine lacks, but for C(to=sftp) the package C(openssh-client).
options:
  settings:
    description:
      - C(backup) of hosts.yml with its defaults. C(to) is C(s3) (with C(bucket), C(endpoint) and
        C(region)), C(sftp) (with C(host), C(user), C(port) and C(host_key)), or C(machine), where
        this runs on the machine that keeps the backups. C(path) is for all.
    type: dict
    required: true
  secrets:
    description: C(access_key) and C(secret_key) for C(s3), C(ssh_key) (a private key) for C(sftp).
    type: dict
    default: {}
  stanza:
    description: The site's name, by which its backups are found.
    type: str
    required: true
author: Espalier
"""

EXAMPLES = """
- name: Try the destination
  backup_destination:
    settings: {to: s3, bucket: b, endpoint: s3.example.com, region: us-east-1, path: /shop/live}
    secrets: {access_key: "{{ access_key }}", secret_key: "{{ secret_key }}"}
    stanza: shop
"""

RETURN = """
problem:
  description: What is wrong, where that is written, what to write instead; "" if all is well.
  type: str
  returned: always
clock_skew:
  description:
    - Seconds that the destination's clock is ahead of the machine's. Null where that is unknown, as
      it always is but for C(s3).
  type: float
  returned: always
has_backups:
  description: Whether there are backups of this site already. False where that is unknown.
  type: bool
  returned: always
free_bytes:
  description: What is free there, in bytes. Null where nobody says, as for C(s3).
  type: int
  returned: always
"""

import base64
import contextlib
import email.utils
import hashlib
import hmac
import html
import http.client
import os
import re
import secrets as random_words
import shutil
import subprocess
import tempfile
import time
import urllib.parse
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from ansible.module_utils.basic import AnsibleModule

CONTENT = b"Espalier tries this destination. Nobody needs this file.\n"
TIMEOUT = 15  # seconds that the other side has for each answer
SFTP_TIMEOUT = 90  # seconds for everything that one run of `sftp` does
# Kinds of host keys as the libssh2 of pgBackRest prefers them: it compares the first one that a
# server has, and no other.
HOST_KEYS = (
    *("ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521"),
    *("ssh-ed25519", "rsa-sha2-512", "rsa-sha2-256"),
)
MAX_SKEW = 60  # seconds
MAX_SKEW_OF_S3 = 900  # seconds; from there on it takes no signature
MIN_FREE = 10**9  # bytes that a machine needs for its first backup
MAX_ANSWER = 65536  # bytes of an answer that are read

ACCESS_KEY = ".secrets/backup_access_key beside hosts.yml (in a vault: vault_backup_access_key)"
SECRET_KEY = ".secrets/backup_secret_key beside hosts.yml (in a vault: vault_backup_secret_key)"
SSH_KEY = ".secrets/backup_ssh_key beside hosts.yml (in a vault: vault_backup_ssh_key)"
CHECK_ENDPOINT = "Check `endpoint` of `backup` in hosts.yml"
CHECK_HOST = "Check `host` and `port` of `backup` in hosts.yml"

# What Python or ssh says where no connection comes about, and the sentence about it.
UNREACHABLE = (
    ("Connection refused", "Nothing listens at {server}. {check}."),
    (
        "[Nn]ame or service not known|No address associated|name resolution",
        "This machine cannot resolve the name of {server} ({words}). {check}.",
    ),
    (
        "timed out|Timeout",
        "{server} does not answer within 15 s. {check}, and whether a firewall on the way lets "
        "this machine through.",
    ),
    (
        "No route to host|Network is unreachable",
        "{server} cannot be reached from this machine ({words}). {check}.",
    ),
    (
        "WRONG_VERSION_NUMBER|RECORD_LAYER_FAILURE",
        "{server} does not answer HTTPS. Write a host, and perhaps a port, that does as `endpoint` "
        "of `backup` in hosts.yml.",
    ),
    (
        "(Hostname|IP address) mismatch",
        "The certificate of {server} is for another name ({words}). Write the name that it is for "
        "as `endpoint` of `backup` in hosts.yml. At Amazon no certificate is for a bucket whose "
        "name has a dot: take a `bucket` without one.",
    ),
    (
        "CERTIFICATE_VERIFY_FAILED",
        "This machine does not trust the certificate of {server} ({words}). If `endpoint` of "
        "`backup` in hosts.yml is right, the machine lacks the authority that has signed it. The "
        "package ca-certificates has the public ones. Write one of your own to "
        "/usr/local/share/ca-certificates/backup.crt there, and run `update-ca-certificates`.",
    ),
    ("", "There is no connection with {server} ({words}). {check}."),
)

# The HTTP status and the code of an answer of S3's, and the sentence about it.
REFUSALS = (
    (
        "NoSuchBucket|InvalidBucketName",
        "There is no bucket {bucket} at {server}. Make it there, or write one that exists as "
        "`bucket` of `backup` in hosts.yml.",
    ),
    (
        "InvalidAccessKeyId",
        "{server} does not know the access key of the backups. Write one that it has given you "
        f"into {ACCESS_KEY}.",
    ),
    (
        "SignatureDoesNotMatch",
        "{server} says that the secret key of the backups does not fit their access key. Write "
        f"the one that you were given together with the access key into {SECRET_KEY}.",
    ),
    (
        "AccessDenied",
        "The access key of the backups may not {action} {objects} at {server} ({words}). Allow it "
        f"{{permission}} there, or write another key into {ACCESS_KEY}, with its secret key.",
    ),
    (
        "Quota|StorageFull|^507",
        "The bucket {bucket} at {server} takes no more ({words}). Make room or raise its limit "
        "there, or write another as `bucket` of `backup` in hosts.yml.",
    ),
    (
        "^30",
        "{server} sends elsewhere for the bucket {bucket} ({words}). Write the host that has the "
        "bucket as `endpoint` of `backup` in hosts.yml, and its `region`.",
    ),
    (
        "^5",
        "{server} cannot do its work right now ({words}). Run this again in a few minutes; if it "
        "stays so, ask who runs that service.",
    ),
    (
        r"^\d+ $",
        "What answers at {server} is no S3 service (HTTP status {words}). Write the host of one as "
        "`endpoint` of `backup` in hosts.yml.",
    ),
    (
        "",
        "{server} does not {action} {objects} ({words}). Check `backup` in hosts.yml against what "
        "that service says of its buckets.",
    ),
)
OTHER_REGION = "AuthorizationHeaderMalformed|IllegalLocationConstraint|InvalidRegion|^30"
# What each request does, for people, and what the key must be allowed for it.
ACTIONS = {
    "PUT": ("write", "s3:PutObject"),
    "GET": ("read", "s3:GetObject"),
    "HEAD": ("look for", "s3:ListBucket and s3:GetObject"),
    "DELETE": ("delete", "s3:DeleteObject"),
}


class Problem(Exception):
    """The sentence about why backups would not get there."""


def problem_of(table: Iterable[tuple[str, str]], found: str, **names: str) -> Problem:
    """Return the first sentence of a table whose pattern is in what was found."""
    text = next(text for pattern, text in table if re.search(pattern, found))
    return Problem(text.format(**names))


def one_line(text: str) -> str:
    """Return what another program said, as part of a sentence."""
    return re.sub(r"[\s\x00-\x1f\x7f]+", " ", text).strip(" .")[:300]


def info_file(path: str, stanza: str) -> str:
    """Return where the list of a site's backups is, if it has any."""
    return f"{path}/database/backup/{stanza}/backup.info"


def trial_name(path: str) -> str:
    """Return a name below a path that nothing else has."""
    return f"{path}/espalier-try-{random_words.token_hex(8)}"


def authorization(
    method: str, target: str, headers: Mapping[str, str], keys: tuple[str, str], region: str
) -> str:
    """Sign a request to S3 with AWS Signature Version 4, its content in one piece.

    https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html

    Args:
        method: of HTTP.
        target: the path, and after "?" the query if any; encoded, with sorted names.
        headers: all that are signed, by names in lower case; x-amz-date and x-amz-content-sha256
            are among them.
        keys: the access key and the secret key.
        region: of the bucket.

    Returns:
        The value of the header Authorization.
    """
    path, _, query = target.partition("?")
    names = ";".join(sorted(headers))
    lines = [f"{name}:{headers[name]}" for name in sorted(headers)]
    request = [method, path, query, *lines, "", names, headers["x-amz-content-sha256"]]
    digest = hashlib.sha256("\n".join(request).encode()).hexdigest()
    moment = headers["x-amz-date"]
    scope = f"{moment[:8]}/{region}/s3/aws4_request"
    key = f"AWS4{keys[1]}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    text = "\n".join(["AWS4-HMAC-SHA256", moment, scope, digest])
    signature = hmac.digest(key, text.encode(), "sha256").hex()
    credential = f"Credential={keys[0]}/{scope}"
    return f"AWS4-HMAC-SHA256 {credential},SignedHeaders={names},Signature={signature}"


class Answer(NamedTuple):
    """What S3 answers."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    def element(self, name: str) -> str:
        """Return the text of an element of its XML, "" for none."""
        found = re.search(f"<{name}>([^<]*)</{name}>", self.body.decode(errors="replace"))
        return html.unescape(found[1]) if found else ""


class Bucket:
    """A bucket of S3, or of a service that speaks its language."""

    def __init__(
        self, settings: Mapping[str, Any], secrets: Mapping[str, str], scheme: str = "https"
    ) -> None:
        """Take what `try_s3` is given."""
        self.name, self.endpoint = settings["bucket"], settings["endpoint"].removesuffix(":443")
        self.region, self.path = settings["region"], settings["path"]
        self.keys = (secrets["access_key"], secrets["secret_key"])
        self.is_plain = scheme == "http"
        self.is_amazon = self.endpoint.endswith("amazonaws.com")
        self.host = f"{self.name}.{self.endpoint}" if self.is_amazon else self.endpoint
        self.skew: float | None = None  # by the last answer

    def send(self, method: str, name: str, body: bytes = b"", query: str = "") -> Answer:
        """Send a request about an object.

        Raises:
            Problem: there is no answer.
        """
        target = urllib.parse.quote(name if self.is_amazon else f"/{self.name}{name}") + query
        headers = {
            "host": self.host,
            "x-amz-content-sha256": hashlib.sha256(body).hexdigest(),
            "x-amz-date": time.strftime("%Y%m%dT%H%M%SZ", time.gmtime()),
        }
        if body:  # a bucket that locks its objects wants it
            digest = hashlib.md5(body, usedforsecurity=False).digest()
            headers["content-md5"] = base64.b64encode(digest).decode()
        headers["authorization"] = authorization(method, target, headers, self.keys, self.region)
        try:
            connection = (
                http.client.HTTPConnection(self.host, timeout=TIMEOUT)
                if self.is_plain
                else http.client.HTTPSConnection(self.host, timeout=TIMEOUT)
            )
            with contextlib.closing(connection):
                connection.connect()
                began = time.time()
                connection.request(method, target, body or None, headers)
                response = connection.getresponse()
                self.skew = clock_skew(response.headers, (began + time.time()) / 2)
                return Answer(response.status, response.headers, response.read(MAX_ANSWER))
        except (OSError, ValueError, OverflowError, http.client.HTTPException) as error:
            words = re.sub(r"\[[^]]*\] ?| \(_ssl\.c:\d+\)", "", str(error)) or type(error).__name__
            names = {"server": self.host, "check": CHECK_ENDPOINT, "words": one_line(words)}
            raise problem_of(UNREACHABLE, str(error), **names) from error

    def ask(self, method: str, name: str, body: bytes = b"") -> Answer:
        """Send a request that must succeed.

        Raises:
            Problem: it does not.
        """
        answer = self.send(method, name, body)
        if not 200 <= answer.status < 300:
            raise self.refusal(method, answer)
        return answer

    def refusal(self, method: str, answer: Answer) -> Problem:
        """Return the problem that an answer tells of."""
        code = answer.element("Code")
        if method == "HEAD" and answer.status == 403:
            code = "AccessDenied"  # an answer to HEAD has no body
        # Not every service that speaks S3's language has this code.
        if code == "RequestTimeTooSkewed" or abs(self.skew or 0) > MAX_SKEW_OF_S3:
            return self.clock_problem()
        found, message = f"{answer.status} {code}", answer.element("Message")
        region = answer.headers.get("x-amz-bucket-region") or answer.element("Region")
        region = region or "".join(re.findall(r"expecting '([\w-]+)'", message))
        if region and re.search(OTHER_REGION, found):
            region = one_line(region)
            more = f" and `endpoint: s3.{region}.amazonaws.com`" if self.is_amazon else ""
            return Problem(
                f"The bucket {self.name} is in the region {region}, and `backup` in hosts.yml has "
                f"`region: {self.region}` and `endpoint: {self.endpoint}`. Write `region: {region}`"
                f"{more} there."
            )
        action, permission = ACTIONS[method]
        elsewhere = answer.element("Endpoint") or answer.headers.get("Location", "")
        return problem_of(
            REFUSALS,
            found,
            server=self.endpoint,
            bucket=self.name,
            objects=f"s3://{self.name}{self.path}/*",
            action=action,
            permission=permission,
            words=one_line(f"{found} {message} {elsewhere}"),
        )

    def clock_problem(self) -> Problem:
        """Return the problem of clocks that differ."""
        how = "differs from"
        if self.skew is not None and abs(self.skew) > MAX_SKEW:
            how = f"is {abs(self.skew):.0f} s {'behind' if self.skew > 0 else 'ahead of'}"
        return Problem(
            f"The clock of this machine {how} that of {self.endpoint}. From 15 minutes on, S3 "
            "refuses every request (RequestTimeTooSkewed). Let the machine take the time from the "
            "network: `apt install systemd-timesyncd` and `timedatectl set-ntp true` there."
        )

    def remove(self, name: str, written: Answer | None) -> None:
        """Delete an object, and the versions of it that a bucket with versions keeps.

        Raises:
            Problem: it cannot be deleted.
        """
        deleted = self.ask("DELETE", name)
        for answer in filter(None, (written, deleted)):
            version = answer.headers.get("x-amz-version-id", "null")
            if version != "null":  # whether this is allowed does not matter to backups
                quoted = urllib.parse.quote(version, safe="")
                self.send("DELETE", name, query=f"?versionId={quoted}")


def clock_skew(headers: http.client.HTTPMessage, now: float) -> float | None:
    """Return how many seconds the clock of who answers is ahead; None if the answer has none."""
    with contextlib.suppress(ValueError, TypeError):
        date = email.utils.parsedate_to_datetime(headers["Date"])
        # It has no fractions of a second: half of one on average. No -0.0 either.
        return round(date.timestamp() + 0.5 - now, 1) + 0.0
    return None


def try_s3(
    settings: Mapping[str, Any],
    secrets: Mapping[str, str],
    stanza: str,
    seen: dict[str, Any],
    scheme: str = "https",
) -> None:
    """Try a bucket.

    Args:
        settings: as the module has them.
        secrets: likewise.
        stanza: likewise.
        seen: takes what the module returns beside the problem.
        scheme: "http" for a server of tests.

    Raises:
        Problem: backups would not get there.
    """
    for name, place in (("access_key", ACCESS_KEY), ("secret_key", SECRET_KEY)):
        if not re.fullmatch("[!-~]+", secrets.get(name) or ""):
            raise Problem(
                f"backup_{name} is missing, or has characters that no such key has. Write the one "
                f"that {settings['endpoint']} has given you into {place}."
            )
    bucket = Bucket(settings, secrets, scheme)
    # First of all, as it leaves nothing there.
    known = bucket.send("HEAD", info_file(bucket.path, stanza))
    seen["clock_skew"], seen["has_backups"] = bucket.skew, known.status == 200
    name = trial_name(bucket.path)
    written = None
    try:
        written = bucket.ask("PUT", name, CONTENT)
        read = bucket.ask("GET", name).body
    except Problem:
        with contextlib.suppress(Problem):
            bucket.remove(name, written)
        raise
    bucket.remove(name, written)
    if read != CONTENT:
        raise Problem(
            f"{bucket.endpoint} gives back something else than was written to it. {CHECK_ENDPOINT}."
        )
    if known.status not in (200, 404):
        raise bucket.refusal("HEAD", known)
    if abs(bucket.skew or 0) > MAX_SKEW:
        raise bucket.clock_problem()


class Account:
    """An account at an SFTP server, and the files by which `sftp` gets in there."""

    def __init__(self, settings: Mapping[str, Any], private_key: str, directory: str) -> None:
        """Write the files.

        Args:
            settings: as the module has them.
            private_key: a text of OpenSSH's.
            directory: where to write; nobody else may read there.

        Raises:
            Problem: it is no private key.
        """
        self.user, self.host, self.port = (str(settings[key]) for key in ("user", "host", "port"))
        self.server = f"{self.host}:{self.port}"
        self.key, self.known = f"{directory}/key", f"{directory}/known_hosts"
        name = self.host if self.port == "22" else f"[{self.host}]:{self.port}"
        for file, text in ((self.key, private_key), (self.known, f"{name} {settings['host_key']}")):
            with open(os.open(file, os.O_WRONLY | os.O_CREAT, 0o600), "w") as stream:
                stream.write(f"{text.strip()}\n")
        status, output = run(["ssh-keygen", "-y", "-P", "", "-f", self.key])
        self.public_line = " ".join([*output.split()[:2], "espalier-backup"])
        if status:
            raise Problem(
                "backup_ssh_key is no private key that OpenSSH reads, or has a passphrase. Write "
                f"one without into {SSH_KEY}; or remove it there, and the next run makes one."
            )

    def sftp(self, commands: list[str]) -> dict[str, str]:
        """Run commands at the server, each whatever became of the one before.

        Returns:
            What each has to say.

        Raises:
            Problem: nobody gets in there.
        """
        options = {
            "BatchMode": "yes",
            "ConnectTimeout": TIMEOUT,
            "GlobalKnownHostsFile": "/dev/null",
            "HostKeyAlgorithms": ",".join(HOST_KEYS),
            "IdentitiesOnly": "yes",
            "IdentityAgent": "none",
            "PreferredAuthentications": "publickey",
            "ServerAliveInterval": 5,
            "StrictHostKeyChecking": "yes",
            "UserKnownHostsFile": self.known,
        }
        argv = ["sftp", "-F", "none", "-b", "-", "-i", self.key, "-P", self.port]
        argv += [f"-o{name}={value}" for name, value in options.items()]
        argv.append(f"{self.user}@[{self.host}]")
        _, output = run(argv, "".join(f"-{command}\n" for command in commands))
        before, *parts = re.split(r"(?m)^sftp> -(.*)$", output)
        if not parts:
            raise self.refusal(before)
        return dict(zip(parts[::2], map(str.strip, parts[1::2]), strict=True))

    def refusal(self, output: str) -> Problem:
        """Return the problem that the output of ssh tells of."""
        if "Host key verification failed" in output:
            return Problem(
                f"{self.server} does not show the key that is `host_key` of `backup` in hosts.yml. "
                f"{self.shown_key()}"
            )
        if "Permission denied (" in output:
            return Problem(
                f"{self.server} does not let the user {self.user} in with the SSH key of the "
                "backups. Add this line to .ssh/authorized_keys of that user there, or correct "
                f"`user` of `backup` in hosts.yml: {self.public_line}"
            )
        if "subsystem request failed" in output:
            return Problem(
                f"{self.server} lets the user {self.user} in, and offers no SFTP. Turn SFTP on "
                "there (`Subsystem sftp internal-sftp` in its sshd_config), or write another "
                "`host` into `backup` in hosts.yml."
            )
        lines = re.sub(r"(?m)^Connection closed\.?$", "", output).strip().splitlines()
        names = {"server": self.server, "check": CHECK_HOST, "words": one_line("".join(lines[-1:]))}
        return problem_of(UNREACHABLE, output, **names)

    def shown_key(self) -> str:
        """Say which key the server shows, for comparison."""
        _, output = run(["ssh-keyscan", "-T", str(TIMEOUT), "-p", self.port, self.host])
        keys = re.findall(r"(?m)^[^#\s]\S* ((?:ssh|ecdsa)-\S+ [A-Za-z0-9+/=]+)$", output)
        if not keys:
            return f"{CHECK_HOST}, and `host_key`."
        kinds = [name for name in HOST_KEYS if not name.startswith("rsa")]
        found = {key.split()[0]: key for key in keys}
        key = next((found[kind] for kind in kinds if kind in found), keys[0])
        return (
            f"It shows {key} now. Compare that with what its provider says: if both are the same, "
            "write it as `host_key`; if not, somebody else answers there."
        )


def run(argv: list[str], text: str = "") -> tuple[int, str]:
    """Run a program of OpenSSH's; returns its status, and both of its outputs in their order."""
    try:
        done = subprocess.run(
            argv,
            input=text.encode(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=SFTP_TIMEOUT,
            env={**os.environ, "LC_ALL": "C"},
        )
    except subprocess.TimeoutExpired as error:
        return -1, f"{(error.output or b'').decode(errors='replace')}\ntimed out"
    return done.returncode, done.stdout.decode(errors="replace").strip()


def parents(path: str) -> list[str]:
    """Return a path and what it lies in, the outermost first."""
    parts = path.strip("/").split("/")
    return ["/" + "/".join(parts[: count + 1]) for count in range(len(parts))]


def try_sftp(
    settings: Mapping[str, Any], secrets: Mapping[str, str], stanza: str, seen: dict[str, Any]
) -> None:
    """Try an SFTP server; arguments and errors are those of `try_s3`."""
    if not shutil.which("sftp"):
        raise Problem(
            "This machine has no program `sftp`, which `to: sftp` of `backup` in hosts.yml needs. "
            "Run `apt install openssh-client` there."
        )
    path = settings["path"]
    name, info = trial_name(path), info_file(path, stanza)
    with tempfile.TemporaryDirectory() as directory:
        account = Account(settings, secrets.get("ssh_key") or "", directory)
        sent, received = f"{directory}/sent", f"{directory}/received"
        for file, content in ((sent, CONTENT), (received, b"")):
            with open(file, "wb") as stream:
                stream.write(content)
        making = {f'mkdir "{one}"': one for one in parents(path)}
        put, get, remove = f'put "{sent}" "{name}"', f'get "{name}" "{received}"', f'rm "{name}"'
        left, known, free = f'ls -1 "{name}"', f'ls -1 "{info}"', f'df "{path}"'
        said = account.sftp(["pwd", *making, put, get, remove, left, known, free])
        # Most commands say something only where they fail.
        made = [one for command, one in making.items() if said.get(command) == ""]
        if made or left not in said:
            with contextlib.suppress(Problem):
                account.sftp([remove, *(f'rmdir "{one}"' for one in reversed(made))])
        with open(received, "rb") as stream:
            read = stream.read()
    seen["has_backups"] = said.get(known) == info
    if numbers := re.search(r"(?m)^ *\d+ +\d+ +(\d+) +\d+ +\d+%", said.get(free, "")):
        seen["free_bytes"] = int(numbers[1]) * 1024
    if read != CONTENT:
        action, words = "read what it has written", "it has changed"
        for command, what in ((get, action), (put, "write")):
            if errors := said.get(command, "timed out"):
                action, words = what, one_line(errors.splitlines()[-1].rpartition(": ")[2])
        home = one_line(said["pwd"].rpartition(": ")[2])
        raise Problem(
            f"The user {account.user} cannot {action} in {path} at {account.server} ({words}). "
            "Write a `path` into `backup` in hosts.yml where that user may write (a login begins "
            f"in {home}), or let the user write there, and see that the disk is not full."
        )
    if said.get(left) == name:
        raise Problem(
            f"The user {account.user} cannot delete in {path} at {account.server}, so that old "
            f"backups would stay for ever. Let the user delete there; and delete {name} yourself."
        )


def try_machine(
    settings: Mapping[str, Any], secrets: Mapping[str, str], stanza: str, seen: dict[str, Any]
) -> None:
    """Try this machine; arguments and errors are those of `try_s3`."""
    path = parent = settings["path"]
    while not os.path.isdir(parent):
        parent = os.path.dirname(parent)
    seen["has_backups"] = os.path.isfile(info_file(path, stanza))
    seen["free_bytes"] = free = shutil.disk_usage(parent).free
    other = "or put another machine into the group `backup` of hosts.yml"
    if free < MIN_FREE:
        raise Problem(
            f"This machine is to keep the backups in {path}, and has {free / 10**9:.1f} GB free in "
            f"{parent}. Make room for at least 1 GB, {other}."
        )
    name = trial_name(parent.rstrip("/"))
    try:
        with open(name, "xb") as stream:
            stream.write(CONTENT)
        with open(name, "rb") as stream:
            read = stream.read()
        os.unlink(name)
    except OSError as error:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise Problem(
            f"This machine is to keep the backups in {path}, and cannot write in {parent} "
            f"({error.strerror}). Have its disk repaired, or mounted for writing, {other}."
        ) from error
    if read != CONTENT:
        raise Problem(
            f"The disk that has {parent} on this machine gives back something else than was "
            f"written to it. Replace the disk, {other}."
        )


TRIALS = {"s3": try_s3, "sftp": try_sftp, "machine": try_machine}


def main() -> None:
    """Run the module."""
    arguments = {
        "settings": {"type": "dict", "required": True},
        # Ansible hides each of its values in whatever is returned.
        "secrets": {"type": "dict", "default": {}, "no_log": True},
        "stanza": {"type": "str", "required": True},
    }
    module = AnsibleModule(arguments, supports_check_mode=True)
    settings, secrets = module.params["settings"], module.params["secrets"]
    seen: dict[str, Any] = {"clock_skew": None, "has_backups": False, "free_bytes": None}
    problem = ""
    try:
        TRIALS[settings["to"]](settings, secrets, module.params["stanza"], seen)
    except Problem as error:
        problem = str(error)
    module.exit_json(changed=False, problem=problem, **seen)


if __name__ == "__main__":
    main()
