"""`prices` of hosts.yml: what each machine costs, so that an advice can say what a change costs."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, StrictStr, ValidationError

from espalier.inventory.errors import InventoryError
from espalier.inventory.site import Site
from espalier.inventory.spelling import did_you_mean

# 365 days of 24 hours, by 12, as clouds count a month.
HOURS_PER_MONTH = 730
_PRICE = re.compile(r"(\d+(?:\.\d+)?)\s*(?:/\s*(hour|month))?")
# The keys that are no machine's.
DEFAULT, CURRENCY = "default", "currency"
_EXAMPLE = (
    'An example, under `all: vars:`: `prices: {vps1: 12.5, vps2: "0.02/hour", default: 10, '
    'currency: "EUR"}`.'
)


def _month(value: Any) -> float:
    """Return a price for a month, of a number or of text such as `0.02/hour`."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        if value < 0 or not math.isfinite(value):
            raise ValueError(f"is {value}, which is no price: it cannot be below 0. {_EXAMPLE}")
        return float(value)
    found = _PRICE.fullmatch(value.strip()) if isinstance(value, str) else None
    if not found:
        shown = "empty" if value is None else repr(value)
        raise ValueError(
            f"is {shown}, which is no price. Write a number for a month, or one for an hour such "
            f'as "0.02/hour", with a point and without a currency. {_EXAMPLE}'
        )
    return float(found[1]) * (HOURS_PER_MONTH if found[2] == "hour" else 1)


def _currency(value: Any) -> Any:
    if not isinstance(value, str) or not re.fullmatch(r"[^\d\s<>&{}]{1,8}", value):
        raise ValueError(f"is {value!r}, which is no currency. Write one such as EUR, $ or CHF.")
    return value


class Prices(BaseModel):
    """The value of the key, with every price for a month; all other keys are machines."""

    model_config = ConfigDict(frozen=True, extra="allow")
    __pydantic_extra__: dict[str, Annotated[float, BeforeValidator(_month)]]

    default: Annotated[float, BeforeValidator(_month)] | None = None
    currency: Annotated[StrictStr, BeforeValidator(_currency)] = ""


def prices(value: Any, machines: Collection[str]) -> tuple[dict[str, float], str]:
    """Return what each machine costs a month, and the currency.

    Args:
        value: of `prices` in hosts.yml; None for nothing.
        machines: the names of all machines, in order. One that has no price, where there is no
            `default` either, is not in the answer.

    Raises:
        InventoryError: a price is none, or of a machine that does not exist.
    """
    if value is None:
        return {}, ""
    if not isinstance(value, Mapping):
        raise InventoryError(f"`prices` in hosts.yml is {value!r}, which is no mapping. {_EXAMPLE}")
    for name in value:
        if name not in (DEFAULT, CURRENCY, *machines):
            raise InventoryError(
                f"`prices` in hosts.yml names the machine `{name}`, which is not under "
                f"`all: hosts:`.{did_you_mean(name, (*machines, DEFAULT, CURRENCY))} {_EXAMPLE}"
            )
    try:
        found = Prices.model_validate({str(key): one for key, one in value.items()})
    except ValidationError as error:
        wrong = error.errors(include_url=False)[0]
        raise InventoryError(
            f"`prices.{wrong['loc'][0]}` in hosts.yml {wrong['ctx']['error']}"
        ) from None
    of_machines = found.__pydantic_extra__
    named = {name: of_machines.get(name, found.default) for name in machines}
    return {name: price for name, price in named.items() if price is not None}, found.currency


def site_prices(site: Site) -> tuple[dict[str, float], str]:
    """Return what each machine of a site costs a month, and the currency.

    Args:
        site: read with its settings (`settings=True`); without them no price is known.
    """
    machines = list(site.topology["machines"])
    return prices(next(iter(site.settings.values()), {}).get("prices"), machines)
