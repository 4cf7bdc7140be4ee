"""Tries a bucket of S3, or of a service that speaks its language, by requests of its own."""

from __future__ import annotations

import base64
import contextlib
import email.utils
import hashlib
import hmac
import html
import http.client
import re
import time
import urllib.parse
from collections.abc import Mapping
from typing import Any, NamedTuple

from .problem import MAX_SKEW, UNREACHABLE, Problem, clock_problem, one_line, problem_of
from .trial import CONTENT, TIMEOUT, beginning, info_file, trial_name

MAX_SKEW_OF_S3 = 900  # seconds; from there on it takes no signature
MAX_ANSWER = 65536  # bytes of an answer that are read

ACCESS_KEY = ".secrets/backup_access_key beside hosts.yml (in a vault: vault_backup_access_key)"
SECRET_KEY = ".secrets/backup_secret_key beside hosts.yml (in a vault: vault_backup_secret_key)"
CHECK_ENDPOINT = "Check `endpoint` of `backup` in hosts.yml"

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
        more = "From 15 minutes on, S3 refuses every request (RequestTimeTooSkewed)."
        return clock_problem(self.skew, self.endpoint, more)

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
    if known.status == 200:
        seen["info_begins"] = beginning(bucket.ask("GET", info_file(bucket.path, stanza)).body)
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
