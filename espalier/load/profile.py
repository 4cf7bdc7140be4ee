"""What a load asks for: requests with weights, read from a file, or taken from a recording."""

from __future__ import annotations

import random
import re
import uuid
from collections import Counter
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from espalier.insight.recording import Recording
from espalier.inventory.site import SiteError

MOST_PATHS = 500  # of a recording
EXAMPLE = "`requests: [{path: /, weight: 3}, {path: '/trees/{1..200}/', weight: 1}]`"
BLANK = re.compile(r"\{(?:(\d+)\.\.(\d+)|uuid)\}")
READS = ("GET", "HEAD")


def _check_blanks(text: str) -> str:
    for blank in BLANK.finditer(text):
        if blank[1] and int(blank[1]) > int(blank[2]):
            raise ValueError(f"the range {blank[0]} ends before it begins")
    if re.search(r"[{}]", BLANK.sub("", text)):
        raise ValueError(
            f"{text} has braces that are no range: write {{1..200}} for a number of these, "
            "or {uuid} for a new UUID"
        )
    return text


def fill(text: str, dice: random.Random) -> str:
    """Draw a number for each `{1..200}` of a text, and a UUID for each `{uuid}`."""

    def drawn(blank: re.Match[str]) -> str:
        if not blank[1]:
            return str(uuid.UUID(int=dice.getrandbits(128), version=4))
        return str(dice.randint(int(blank[1]), int(blank[2])))

    return BLANK.sub(drawn, text)


class Ask(BaseModel):
    """One request of a profile.

    Attributes:
        path: with its query and without a host; `{1..200}` stands for a number of these.
        weight: how often, against the other requests of the profile.
        method: as in HTTP.
        form: fields to send, as a browser sends a form; ranges are drawn there, too.
        personal: sent by a visitor who keeps cookies; otherwise by one who has none.
        csrf: the visitor has opened the form at `path` before, and sends Django's token with it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: str
    weight: float = Field(default=1, gt=0, allow_inf_nan=False)
    method: Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"] = "GET"
    form: dict[str, str] | None = None
    personal: bool = False
    csrf: bool = False

    @field_validator("path")
    @classmethod
    def _is_path(cls, path: str) -> str:
        if not path.startswith("/") or path.startswith("//") or "\\" in path:
            raise ValueError(
                f"{path} is no path: a load goes to the site of the inventory and nowhere else. "
                "Write what comes after the domain, such as /trees/"
            )
        if re.search(r"[\s#]", path):
            raise ValueError(f"{path} has a space or a #: write it as a browser sends it (%20)")
        return _check_blanks(path)

    @field_validator("form")
    @classmethod
    def _has_known_blanks(cls, form: dict[str, str] | None) -> dict[str, str] | None:
        for value in (form or {}).values():
            _check_blanks(value)
        return form

    @model_validator(mode="before")
    @classmethod
    def _numbers_of_a_form(cls, data: Any) -> Any:
        # YAML reads `kilograms: 3` as a number; a form has text only.
        if isinstance(data, dict) and isinstance(data.get("form"), dict):
            form = {
                key: str(value) if isinstance(value, int | float) else value
                for key, value in data["form"].items()
            }
            return {**data, "form": form}
        return data

    @model_validator(mode="after")
    def _fits(self) -> Ask:
        if self.reads and (self.form is not None or self.csrf):
            raise ValueError(f"a {self.method} sends no form: add `method: POST`")
        return self

    @property
    def reads(self) -> bool:
        """Whether it only reads, as far as HTTP can tell."""
        return self.method in READS

    @property
    def keeps_cookies(self) -> bool:
        """Whether a visitor with cookies sends it; a CSRF token needs one."""
        return self.personal or self.csrf


class Profile(BaseModel):
    """The requests of a load, with their weights.

    Attributes:
        name: for people.
        source: where it is from: a file that somebody wrote, a recording, or the site's own links.
        notes: what people should know of it, a sentence each.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    requests: list[Ask] = Field(min_length=1)
    source: Literal["file", "recording", "links"] = "file"
    notes: list[str] = []

    @property
    def writes(self) -> list[Ask]:
        """The requests that may change something."""
        return [ask for ask in self.requests if not ask.reads]

    def draw(self, count: int, dice: random.Random) -> list[int]:
        """Choose requests by weight, in random order; gives their positions in `requests`.

        The number of each differs from its share by less than one (systematic sampling): two
        loads of one profile cost a site the same.
        """
        bounds = list(accumulate(ask.weight for ask in self.requests))
        step = bounds[-1] / max(count, 1)
        at, chosen, position = dice.random() * step, [], 0
        for _ in range(count):
            while bounds[position] <= at and position < len(bounds) - 1:
                position += 1
            chosen.append(position)
            at += step
        dice.shuffle(chosen)
        return chosen


def _sentence(file: Path, error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    where = ".".join(str(part + 1) if isinstance(part, int) else part for part in first["loc"])
    message = first["msg"].removeprefix("Value error, ")
    if first["type"] == "extra_forbidden":
        known = Ask.model_fields if "requests" in first["loc"] else ("name", "requests")
        message = f"there is no such key; there are: {', '.join(known)}"
    elif first["type"] == "missing":
        message = f"this is missing. For example: {EXAMPLE}"
    return f"{file}: {where}: {message}."


def read_profile(file: Path) -> Profile:
    """Read a profile from a YAML file; SiteError where the file is none."""
    try:
        data = yaml.safe_load(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise SiteError(f"{file} cannot be read: {error.strerror or error}.", 2) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SiteError(f"{file} is no YAML: {error}", 2) from None
    if not isinstance(data, dict):
        raise SiteError(f"{file} is no profile. It needs at least {EXAMPLE}.", 2)
    if own := {"source", "notes"} & data.keys():
        raise SiteError(f"{file}: {min(own)}: there is no such key; there are: name, requests.", 2)
    try:
        return Profile.model_validate({"name": file.stem, **data})
    except ValidationError as error:
        raise SiteError(_sentence(file, error), 2) from None


def _paths(counts: Counter[tuple[str, bool]]) -> Sequence[tuple[tuple[str, bool], int]]:
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:MOST_PATHS]


def profile_from(recording: Recording) -> Profile:
    """Make a profile of what visitors read while they were recorded.

    It has the GETs that were answered with 2xx or 3xx, by path and by whether the visitor had
    cookies, with their counts as weights. A recording keeps no query and no secret of an address,
    so that its paths with a "*" are left out; `notes` say how many.

    Raises:
        SiteError: nothing is left.
    """
    counts: Counter[tuple[str, bool]] = Counter()
    masked = 0
    for machine in recording.machines.values():
        for request in machine.requests:
            if request.method != "GET" or not 200 <= request.status < 400:
                continue
            if not re.fullmatch(r"/(?!/)[^*{}\s#\\]*", request.path):
                masked += machine.every
            else:
                counts[request.path, request.personal] += machine.every
    if not counts:
        raise SiteError(
            f"The recording {recording.id} has no GET that a load could send again: record for "
            "longer, or write a profile (--profile FILE).",
            2,
        )
    kept = _paths(counts)
    total = sum(counts.values()) + masked
    notes = ["Addresses are sent without a query, as a recording keeps none."]
    if masked:
        notes.append(
            f"{masked / total:.0%} of the requests are left out: a part of their address is "
            "not in the recording."
        )
    if rest := len(counts) - len(kept):
        notes.append(f"The {rest} paths that were asked for least are left out.")
    asks = [Ask(path=path, weight=count, personal=own) for (path, own), count in kept]
    return Profile(name=f"like {recording.id}", requests=asks, source="recording", notes=notes)
