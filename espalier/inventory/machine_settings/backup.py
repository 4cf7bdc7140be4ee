"""`backup`: where copies of the database and of uploads go, when, and how long they are kept."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictStr,
    model_validator,
)

from espalier.inventory.addresses import is_template
from espalier.inventory.machine_settings.base import Port, Settings
from espalier.inventory.machine_settings.public_key import public_key
from espalier.inventory.machine_settings.updates import TIME

# What each destination needs, and what it may have; `path` and the times are for all.
NEEDED: Mapping[str, tuple[str, ...]] = {
    "s3": ("bucket", "endpoint"),
    "sftp": ("host", "user", "host_key"),
    "machine": (),
}
OPTIONAL: Mapping[str, tuple[str, ...]] = {"s3": ("region",), "sftp": ("port",), "machine": ()}
_BYTES = {"MB": 10**6, "GB": 10**9, "TB": 10**12}


def _path(value: str) -> str:
    if not is_template(value) and not re.fullmatch(r"(/[A-Za-z0-9._-]+)+", value):
        raise ValueError(
            f"is {value!r}, which is no path that every destination takes. Write one such as "
            "/shop/production: letters, digits, dots, dashes and underscores between slashes."
        )
    return value


def _endpoint(value: str) -> str:
    """Return the host, and perhaps the port, of an S3 service."""
    found = value.removeprefix("https://").rstrip("/")
    if value.startswith("http://"):
        raise ValueError(
            f"is {value!r}, which is not encrypted on its way. Write the host that answers HTTPS, "
            "such as s3.eu-central-1.amazonaws.com."
        )
    if not is_template(value) and not re.fullmatch(r"[A-Za-z0-9.-]+(:\d{1,5})?", found):
        raise ValueError(
            f"is {value!r}, which is no host. Write one such as s3.eu-central-1.amazonaws.com, or "
            "with a port: s3.example.com:9000."
        )
    return found


def _time(value: Any) -> Any:
    if not isinstance(value, str) or not re.fullmatch(TIME, value):
        raise ValueError(f'is {value!r}, which is no time of day. Write one such as "02:30".')
    return value


def _size(value: Any) -> Any:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(MB|GB|TB)", value if isinstance(value, str) else "")
    if not found:
        raise ValueError(f"is {value!r}, which is no size. Write one such as 5 GB or 500 MB.")
    return int(float(found[1]) * _BYTES[found[2]])


class Keep(BaseModel):
    """How long backups are kept: each that one of the two wants."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    # Every moment of so many days can be restored.
    days: int = Field(default=14, ge=1, strict=True)
    # The newest full backups, however old.
    full: int = Field(default=2, ge=1, strict=True)


class Backup(Settings):
    """One destination of the site."""

    example: ClassVar[str] = (
        "Examples: `backup: {to: s3, bucket: shop-backups, endpoint: "
        "s3.eu-central-1.amazonaws.com, region: eu-central-1}`, `backup: {to: sftp, host: "
        "u123.example.com, user: u123, host_key: ssh-ed25519 AAAAC3…}`, `backup: {to: machine}`."
    )

    to: Literal["s3", "sftp", "machine"]
    bucket: StrictStr = ""
    endpoint: Annotated[StrictStr, AfterValidator(_endpoint)] = ""
    region: StrictStr = "us-east-1"
    host: StrictStr = ""
    user: StrictStr = ""
    port: Port = 22
    host_key: Annotated[StrictStr, AfterValidator(public_key)] = ""
    # "": /SITE/ENVIRONMENT.
    path: Annotated[StrictStr, AfterValidator(_path)] = ""
    at: Annotated[StrictStr, BeforeValidator(_time)] = "02:30"
    keep: Keep = Keep()
    # Whether the newest backup is restored, and looked into, every night.
    drill: bool = Field(default=True, strict=True)
    # How many bytes of WAL may wait on the machine for a destination that is away; None: as many
    # as are left free.
    waiting_wal: Annotated[int, BeforeValidator(_size)] | None = None

    @model_validator(mode="after")
    def _fits(self) -> Backup:
        """Refuse what the destination lacks, and what another one has."""
        for key in NEEDED[self.to]:
            if not getattr(self, key):
                raise ValueError(f"has no `{key}`, which `to: {self.to}` needs. {self.example}")
        own = {*NEEDED[self.to], *OPTIONAL[self.to]}
        for other in NEEDED:
            for key in {*NEEDED[other], *OPTIONAL[other]} - own:
                if key in self.model_fields_set:
                    raise ValueError(
                        f"has `{key}`, which is of `to: {other}` and not of `to: {self.to}`. "
                        f"{self.example}"
                    )
        return self
