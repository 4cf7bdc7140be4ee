"""What Django is told of the server that takes its mail."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote


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
    secret = password if email["user"] else ""
    flags = {"TLS": email["tls"] == "starttls", "SSL": email["tls"] == "ssl"}
    for name, is_on in flags.items():
        found[f"ESPALIER_EMAIL_USE_{name}"] = str(is_on)
        found[f"ESPALIER_EMAIL_USE_{name}_NUMBER"] = str(int(is_on))
    login = f"{quote(email['user'], safe='')}:{quote(secret, safe='')}@" if email["user"] else ""
    host = f"[{email['host']}]" if ":" in email["host"] else email["host"]
    # dj-email-url reads `tls` and `ssl`, django-environ the names of the settings.
    on = [f"{name.lower()}=True&email_use_{name.lower()}=True" for name in flags if flags[name]]
    url = f"smtp://{login}{host}:{email['port']}/{'?' if on else ''}{''.join(on)}"
    return found | {"ESPALIER_EMAIL_URL": url, "ESPALIER_EMAIL_PASSWORD": secret}
