"""Signature version 4 of Amazon's, for a GET of an object store.

The recipe: https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
"""

from __future__ import annotations

import datetime
import hashlib
import hmac
from collections.abc import Mapping
from urllib.parse import quote, urlsplit

EMPTY = hashlib.sha256(b"").hexdigest()
ALGORITHM = "AWS4-HMAC-SHA256"


def signed_headers(
    url: str, region: str, access_key: str, secret_key: str, now: datetime.datetime
) -> dict[str, str]:
    """The headers with which an object store answers a GET of a URL.

    Args:
        url: with its path encoded as it is sent.
        region: of the bucket.
        access_key: the name of the key.
        secret_key: the key.
        now: with a time zone.
    """
    parts = urlsplit(url)
    time = now.astimezone(datetime.UTC).strftime("%Y%m%dT%H%M%SZ")
    headers = {"host": parts.netloc, "x-amz-content-sha256": EMPTY, "x-amz-date": time}
    names = ";".join(sorted(headers))
    request = "\n".join(
        [
            "GET",
            parts.path or "/",
            canonical_query(parts.query),
            *(f"{name}:{headers[name]}" for name in sorted(headers)),
            "",
            names,
            EMPTY,
        ]
    )
    scope = f"{time[:8]}/{region}/s3/aws4_request"
    hashed = hashlib.sha256(request.encode()).hexdigest()
    key = f"AWS4{secret_key}".encode()
    for word in scope.split("/"):
        key = hmac.digest(key, word.encode(), "sha256")
    signature = hmac.digest(key, f"{ALGORITHM}\n{time}\n{scope}\n{hashed}".encode(), "sha256").hex()
    given = f"Credential={access_key}/{scope},SignedHeaders={names},Signature={signature}"
    return {**headers, "authorization": f"{ALGORITHM} {given}"}


def canonical_query(query: str) -> str:
    """The query as it is signed: in order, and each name with a value."""
    pairs: Mapping[str, str] = dict(
        (name, value) for name, _, value in (one.partition("=") for one in query.split("&")) if name
    )
    return "&".join(f"{quote(name, safe='%')}={pairs[name]}" for name in sorted(pairs))
