"""Uploads in an object store: its versions keep what is deleted or overwritten, if it has any."""

from __future__ import annotations

import datetime
import re
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import quote

from espalier_machine.uploads_backup.config import Config
from espalier_machine.uploads_backup.errors import BackupError
from espalier_machine.uploads_backup.signing import signed_headers

TIMEOUT = 30  # seconds
STATUS = re.compile(r"<Status>\s*(\w+)\s*</Status>")
CODE = re.compile(r"<Code>\s*(\w+)\s*</Code>")


def check(config: Config) -> dict[str, Any]:
    """See that the bucket of uploads keeps versions.

    Raises:
        BackupError: it does not, or cannot be asked.
    """
    store = config.s3
    if status(store["bucket"], **{k: store[k] for k in _ASKED}) != "Enabled":
        raise BackupError(refusal(store["bucket"], store["endpoint"]))
    return {"bucket": store["bucket"], "versioning": "Enabled"}


_ASKED = ("endpoint", "region", "access_key", "secret_key")


def refusal(bucket: str, endpoint: str) -> str:
    """What a person is told whose bucket keeps no versions."""
    at = f" --endpoint-url {endpoint}" if endpoint else ""
    return (
        f"The bucket {bucket} has the uploads and keeps no earlier versions: what is deleted or "
        "overwritten there is lost. Switch them on, such as with `aws s3api put-bucket-versioning"
        f"{at} --bucket {bucket} --versioning-configuration Status=Enabled`."
    )


def status(bucket: str, *, endpoint: str, region: str, access_key: str, secret_key: str) -> str:
    """What the store says of a bucket: `Enabled`, `Suspended`, or "" for never.

    Raises:
        BackupError: it does not answer, or refuses to.
    """
    region = region or "us-east-1"
    base = (endpoint or f"https://s3.{region}.amazonaws.com").rstrip("/")
    url = f"{base}/{quote(bucket)}?versioning="
    now = datetime.datetime.now(datetime.UTC)
    headers = signed_headers(url, region, access_key, secret_key, now)
    try:
        request = urllib.request.Request(url, headers=headers)
        with urllib.request.urlopen(request, timeout=TIMEOUT) as response:
            answer = response.read(65536).decode(errors="replace")
    except urllib.error.HTTPError as error:
        code = CODE.search(error.read(65536).decode(errors="replace"))
        raise BackupError(
            f"The object store with the uploads does not say whether the bucket {bucket} keeps "
            f"versions: {error.code} {code[1] if code else error.reason}. Its keys "
            "(vault_s3_access_key, vault_s3_secret_key) need the right s3:GetBucketVersioning."
        ) from None
    except OSError as error:
        why = getattr(error, "reason", error)
        raise BackupError(f"The object store at {base} cannot be reached: {why}") from None
    found = STATUS.search(answer)
    return found[1] if found else ""
