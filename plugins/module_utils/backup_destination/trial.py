"""What is written at a destination to try it, and the names of what is looked for there."""

from __future__ import annotations

import base64
import secrets as random_words

CONTENT = b"Espalier tries this destination. Nobody needs this file.\n"
TIMEOUT = 15  # seconds that the other side has for each answer


def info_file(path: str, stanza: str) -> str:
    """Return where the list of a site's backups is, if it has any."""
    return f"{path}/database/backup/{stanza}/backup.info"


def beginning(content: bytes) -> str:
    """Return the salt and the first block of that list, in base64: a passphrase opens it or not."""
    return base64.b64encode(content[:32]).decode()


def trial_name(path: str) -> str:
    """Return a name below a path that nothing else has."""
    return f"{path}/espalier-try-{random_words.token_hex(8)}"
