"""What `espalier secrets list` tells of each secret: never its value."""

from __future__ import annotations

from dataclasses import dataclass

from espalier.secrets.catalog import GIVEN, SECRETS, key_in_use
from espalier.secrets.store import Store


@dataclass(frozen=True)
class Row:
    """A secret: where it is kept, the day that it was made ("" if unknown), what it is for."""

    name: str
    place: str
    made: str
    purpose: str


def rows(store: Store) -> list[Row]:
    """The kit's secrets, and the user's own (`vault_…`)."""
    values = store.values
    found = []
    for name, secret in SECRETS.items():
        key = key_in_use(name, values)
        purpose = secret.purpose
        if name == "secret_key" and "secret_key_old" in values:
            purpose += "; the one before is accepted too, until `rotate secret_key --drop-old`"
        if f"{name}_next" in values or (name != "secret_key" and f"{name}_old" in values):
            purpose += f"; a rotation is under way: `rotate {name}` finishes it"
        found.append(Row(name, store.place(key) or "not made yet", store.made(key), purpose))
    given = {name: purpose for name, purpose in GIVEN.items() if name in values}
    found += [Row(name, store.place(name), store.made(name), why) for name, why in given.items()]
    own = [name for name in values if name in store.vault.variables]
    found += [Row(name, store.place(name), store.made(name), "your own") for name in own]
    return found
