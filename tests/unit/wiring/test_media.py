"""Uploads on this machine, on another one, or in an object store."""

from __future__ import annotations

import pytest

from espalier.wiring.media import (
    media_store,
    s3_environment,
    shared_media_environment,
    uploads_are_moving,
)

from .links import link

LINKS = [link("web1/media", "10.0.0.1", 8090, "media")]


def test_uploads_on_another_machine_are_named_with_its_token() -> None:
    assert media_store(LINKS) == "10.0.0.1:8090"
    assert shared_media_environment(LINKS, "token") == {
        "ESPALIER_MEDIA_SHARED_URL": "http://10.0.0.1:8090/",
        "ESPALIER_MEDIA_SHARED_TOKEN": "token",
    }


def test_uploads_here_need_neither() -> None:
    assert media_store([]) == ""
    assert shared_media_environment([], "") == {}


def test_object_store_has_defaults_for_all_but_its_bucket() -> None:
    assert s3_environment({"bucket": "shop"}, "id", "key") == {
        "ESPALIER_S3_BUCKET": "shop",
        "ESPALIER_S3_ENDPOINT_URL": "",
        "ESPALIER_S3_REGION": "",
        "ESPALIER_S3_ACCESS_KEY": "id",
        "ESPALIER_S3_SECRET_KEY": "key",
    }


@pytest.mark.parametrize(
    ("recorded", "planned", "moving"),
    [
        pytest.param(["", ""], "web1", False, id="first run"),
        pytest.param(["web1", "", "web1"], "web1", False, id="unchanged"),
        pytest.param(["web1", ""], "web2", True, id="another first web machine"),
        pytest.param(["web1"], "", False, id="an object store has them"),
    ],
)
def test_uploads_move_when_a_machine_recorded_another_place(
    recorded: list[str], planned: str, moving: bool
) -> None:
    assert uploads_are_moving(recorded, planned) is moving
