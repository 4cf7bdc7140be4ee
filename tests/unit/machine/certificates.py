"""A moment, and a machine's settings, for the tests of certificates."""

from __future__ import annotations

from typing import Any

from espalier_machine.certificate import config

NOW = 1_800_000_000.0


def settings(**more: Any) -> config.Settings:
    """Settings of a machine."""
    stated = dict.fromkeys(("authority", "staging", "profile", "email", "thumbprint"), "")
    return config.Settings("acme", ("a.net",), (), **{"placeholder": "", **stated, **more})
