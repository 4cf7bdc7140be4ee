"""What Django is told of the server that takes its mail."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def email_environment(email: Mapping[str, Any], password: str) -> dict[str, str]:
    """Return the environment variables for a mail server; none where project.yml names none.

    Args:
        email: `email` of project.yml, checked.
        password: of its user, "" for none.
    """
    if not email:
        return {}
    names = {"HOST": "host", "PORT": "port", "USER": "user", "FROM": "from", "TLS": "tls"}
    found = {f"ESPALIER_EMAIL_{name}": str(email[key]) for name, key in names.items()}
    return found | ({"ESPALIER_EMAIL_PASSWORD": password} if email["user"] else {})
