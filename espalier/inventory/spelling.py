"""Spelling: which word that the kit knows was meant by one that it does not."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from difflib import SequenceMatcher, get_close_matches

# Group names that people write for a duty: the duty's own words, several of them, or the machines.
_DUTY_WORDS = {
    "web": "web|www",
    "app": "app|application",
    "db": "db|database|postgres|postgresql",
    "cache": "cache|caching",
}
_MACHINE_WORDS = "server|node|host|machine"

# Other words for a key, no slips of the keyboard. Not those that inventory plugins of clouds set.
_OTHER_WORDS = {
    "private_address": "private(ip|addr|host)|(internal|lan)(ip|addr|address)",
}

_PREFIXES = ("ansible_", "vault_")


def did_you_mean(word: object, known: Iterable[str]) -> str:
    """Return " Did you mean `x`?", or "" when nothing is near."""
    near = get_close_matches(_plain(word), known, 1)
    return f" Did you mean `{near[0]}`?" if near else ""


def near_miss(word: str, known: Iterable[str]) -> str:
    """Return the known word that this one is a slip of the keyboard for, or "".

    Strict, because any other word may be the user's own: the first letter must be right, and the
    rest the same letters in another order, or nearly the same letters in the same order. What
    follows `ansible_` or `vault_`, and stands before a last word that both have (`_password`), is
    compared alone, or every such variable would be near another.
    """
    prefix = next((one for one in _PREFIXES if _plain(word).startswith(one)), "")
    for candidate in known:
        if word == candidate or not candidate.startswith(prefix):
            continue
        plain, name = _plain(word).removeprefix(prefix), candidate.removeprefix(prefix)
        last = "_" + plain.rpartition("_")[2]
        if plain.endswith(last) and name.endswith(last):
            plain, name = plain.removesuffix(last), name.removesuffix(last)
        if plain[:1] != name[:1]:
            continue
        longer = plain.startswith(name) or name.startswith(plain)
        if longer and abs(len(plain) - len(name)) > 2:
            continue  # `vault_secret` is a name of its own beside `vault_secret_key`
        swapped = sorted(plain) == sorted(name)
        if swapped or SequenceMatcher(None, plain, name).ratio() >= 0.85:
            return candidate
    return ""


def other_word(word: str, present: Collection[str]) -> str:
    """Return the key that the kit has for a word that people use instead, or "".

    Where the key is there as well (`present`), the word is the user's own.
    """
    plain = _plain(word).replace("_", "")
    for key, words in _OTHER_WORDS.items():
        if key not in present and re.fullmatch(words, plain):
            return key
    return ""


def duty_meant(group: str) -> str:
    """Return the duty that a group's name looks like without being it, or ""."""
    plain = _plain(group).replace("_", "")
    for duty, words in _DUTY_WORDS.items():
        if group != duty and re.fullmatch(f"({words})({_MACHINE_WORDS})?s?", plain):
            return duty
    return ""


def _plain(word: object) -> str:
    return str(word).lower().replace("-", "_").replace(" ", "_")
