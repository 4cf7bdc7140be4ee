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
MOST = 65536  # bytes of an answer
DEFAULT_REGION = "us-east-1"
STATUS = re.compile(r"<Status>\s*(\w+)\s*</Status>")
CODE = re.compile(r"<Code>\s*(\w+)\s*</Code>")
RULE = re.compile(r"<Rule>.*?</Rule>", re.S)
ENABLED = re.compile(r"<Status>\s*Enabled\s*</Status>")
ID = re.compile(r"<ID>\s*(.*?)\s*</ID>", re.S)
NONCURRENT = re.compile(
    r"<NoncurrentVersionExpiration>(?:(?!</Noncurrent).)*?<NoncurrentDays>\s*(\d+)", re.S
)


def check(config: Config) -> dict[str, Any]:
    """See that the bucket of uploads keeps versions; `warning` is that it does not for long enough.

    Raises:
        BackupError: it keeps none, or cannot be asked.
    """
    store = config.s3
    keys = {name: store[name] for name in _ASKED}
    if status(store["bucket"], **keys) != "Enabled":
        raise BackupError(refusal(store["bucket"], store["endpoint"]))
    found = removed_after(store["bucket"], **keys)
    warning = short_lived(store["bucket"], found, config.keep_days)
    return {"bucket": store["bucket"], "versioning": "Enabled", "warning": warning}


_ASKED = ("endpoint", "region", "access_key", "secret_key")


def refusal(bucket: str, endpoint: str) -> str:
    """What a person is told whose bucket keeps no versions."""
    at = f" --endpoint-url {endpoint}" if endpoint else ""
    return (
        f"The bucket {bucket} has the uploads and keeps no earlier versions: what is deleted or "
        "overwritten there is lost. Switch them on, such as with `aws s3api put-bucket-versioning"
        f"{at} --bucket {bucket} --versioning-configuration Status=Enabled`."
    )


def short_lived(bucket: str, removed: tuple[int, str] | None, days: int) -> str:
    """What a person is told whose bucket removes old versions too soon; "" where it does not.

    Args:
        bucket: its name.
        removed: after how many days, and by which rule; None for never.
        days: of rows that can be restored.
    """
    if not removed or removed[0] >= days:
        return ""
    return (
        f"The bucket {bucket} removes old versions of uploads {removed[0]} days after they were "
        f"deleted or overwritten (rule {removed[1] or 'without an ID'} of its lifecycle), and rows "
        f"can be brought back for {days} days: raise NoncurrentDays of that rule to {days + 2}."
    )


def removed_after(
    bucket: str, *, endpoint: str, region: str, access_key: str, secret_key: str
) -> tuple[int, str] | None:
    """After how many days a rule of the bucket removes old versions, and which; None for never.

    Who may not read the rules is told nothing: the keys of a site need no right to.
    """
    try:
        answer = _get(bucket, "lifecycle", endpoint, region, access_key, secret_key)
    except OSError:  # refused, or there are none
        return None
    found = []
    for rule in RULE.findall(answer):
        days, name = NONCURRENT.search(rule), ID.search(rule)
        if days and ENABLED.search(rule):
            found.append((int(days[1]), name[1] if name else ""))
    return min(found, default=None)


def status(bucket: str, *, endpoint: str, region: str, access_key: str, secret_key: str) -> str:
    """What the store says of a bucket: `Enabled`, `Suspended`, or "" for never.

    Raises:
        BackupError: it does not answer, or refuses to.
    """
    try:
        answer = _get(bucket, "versioning", endpoint, region, access_key, secret_key)
    except urllib.error.HTTPError as error:
        code = CODE.search(error.read(MOST).decode(errors="replace"))
        raise BackupError(
            f"The object store with the uploads does not say whether the bucket {bucket} keeps "
            f"versions: {error.code} {code[1] if code else error.reason}. Its keys "
            "(vault_s3_access_key, vault_s3_secret_key) need the right s3:GetBucketVersioning."
        ) from None
    except OSError as error:
        why = getattr(error, "reason", error)
        raise BackupError(
            f"The object store at {_base(endpoint, region)} cannot be reached: {why}"
        ) from None
    found = STATUS.search(answer)
    return found[1] if found else ""


def _base(endpoint: str, region: str) -> str:
    return (endpoint or f"https://s3.{region or DEFAULT_REGION}.amazonaws.com").rstrip("/")


def _get(
    bucket: str, what: str, endpoint: str, region: str, access_key: str, secret_key: str
) -> str:
    """What the store answers of a property of a bucket."""
    url = f"{_base(endpoint, region)}/{quote(bucket)}?{what}="
    now = datetime.datetime.now(datetime.UTC)
    headers = signed_headers(url, region or DEFAULT_REGION, access_key, secret_key, now)
    request = urllib.request.Request(url, headers=headers)
    with urllib.request.urlopen(request, timeout=TIMEOUT) as response:
        return response.read(MOST).decode(errors="replace")
