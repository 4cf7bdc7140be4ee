"""Public keys of SSH, as a line of authorized_keys has them."""

from __future__ import annotations

import base64
import binascii
from itertools import pairwise
from typing import Annotated

from pydantic import AfterValidator, StrictStr

from espalier.inventory.addresses import is_template

# The types that OpenSSH takes by default. ssh-dss is no more among them.
TYPES = (
    "ssh-ed25519",
    "sk-ssh-ed25519@openssh.com",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ecdsa-sha2-nistp256@openssh.com",
    "ssh-rsa",
)
# What NIST and BSI take for the least; sshd itself still takes 1024.
RSA_BITS = 2048
INSTEAD = "Write the one line of the file that ends in .pub, such as `ssh-ed25519 AAAAC3… alice`."


def public_key(value: str) -> str:
    """Return a public key without needless spaces, or refuse it; never repeats a private one."""
    if is_template(value):
        return value
    if "PRIVATE KEY" in value:
        raise ValueError(
            "is a private key, which belongs on its owner's computer alone: whoever could read "
            f"this file may have it, so make a new one (`ssh-keygen -t ed25519`). {INSTEAD}"
        )
    if "SSH2 PUBLIC KEY" in value:
        raise ValueError(
            f"is in another program's format: `ssh-keygen -i -f FILE` has it. {INSTEAD}"
        )
    words = value.split()
    if not words or "\n" in value.strip():
        raise ValueError(f"is not one line with one public key. {INSTEAD}")
    if words[0] not in TYPES:
        if any(word in TYPES for word in words):
            raise ValueError(f"begins with {words[0]!r}: options are not for this list. {INSTEAD}")
        if words[0] == "ssh-dss":
            raise ValueError(f"is a DSA key, which OpenSSH takes no more. {INSTEAD}")
        raise ValueError(f"is {value[:60]!r}, which is no public key. {INSTEAD}")
    fields = _fields(words[1] if len(words) > 1 else "")
    if len(fields) < 2 or fields[0].decode(errors="replace") != words[0]:
        raise ValueError(f"is a key of which a part is missing or changed. {INSTEAD}")
    if words[0] == "ssh-rsa" and int.from_bytes(fields[-1]).bit_length() < RSA_BITS:
        raise ValueError(
            f"is an RSA key of less than {RSA_BITS} bits, which is too short. Make a new one: "
            "`ssh-keygen -t ed25519`."
        )
    return " ".join(words)


def _fields(text: str) -> list[bytes]:
    """Return the fields of a key: each is preceded by its length in 4 bytes. [] if it is cut."""
    try:
        blob = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return []
    ends = [0]
    while ends[-1] + 4 <= len(blob):
        ends.append(ends[-1] + 4 + int.from_bytes(blob[ends[-1] : ends[-1] + 4]))
    return [blob[a + 4 : b] for a, b in pairwise(ends)] if ends[-1] == len(blob) else []


# A line with a public key, without options.
PublicKey = Annotated[StrictStr, AfterValidator(public_key)]
