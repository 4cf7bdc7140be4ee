"""Where uploads are: on a machine's disk, on another machine, or in an object store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from espalier.inventory.model import Link


def media_store(links: Sequence[Link]) -> str:
    """Return `address:port` of the machine that has the uploads, "" where it is this one.

    Args:
        links: those with the purpose `media` that go out from a service of this machine.
    """
    return f"{links[0]['address']}:{links[0]['port']}" if links else ""


def shared_media_environment(links: Sequence[Link], token: str) -> dict[str, str]:
    """Return how Django reaches uploads on another machine; nothing where they are on this one.

    Args:
        links: those with the purpose `media` that go out from Django on this machine.
        token: what the store there wants to be shown.
    """
    if not links:
        return {}
    return {
        "ESPALIER_MEDIA_SHARED_URL": f"http://{media_store(links)}/",
        "ESPALIER_MEDIA_SHARED_TOKEN": token,
    }


def s3_environment(store: Mapping[str, str], access_key: str, secret_key: str) -> dict[str, str]:
    """Return how Django reaches uploads in an object store (`media_s3` in project.yml)."""
    return {
        "ESPALIER_S3_BUCKET": store["bucket"],
        "ESPALIER_S3_ENDPOINT_URL": store.get("endpoint_url", ""),
        "ESPALIER_S3_REGION": store.get("region", ""),
        "ESPALIER_S3_ACCESS_KEY": access_key,
        "ESPALIER_S3_SECRET_KEY": secret_key,
    }


def uploads_are_moving(recorded: Sequence[str], uploads_machine: str) -> bool:
    """Return whether hosts.yml has uploads on another machine than the last run had.

    Args:
        recorded: which machine has the uploads, as each machine recorded it; "" for none yet.
        uploads_machine: which one is to have them; "" where an object store does.
    """
    return uploads_machine != "" and bool(set(recorded) - {"", uploads_machine})
