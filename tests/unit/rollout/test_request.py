"""What somebody wants of a site travels between processes as it is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from espalier.rollout.packing import Archive
from espalier.rollout.request import Request


@pytest.mark.parametrize(
    "request_",
    [
        Request(),
        Request(version="v2", batches=("1", "100%"), only_plan=True, accept=("shop.0003_x",)),
        Request(rollback_to="", by="ann@desk"),
        Request(
            archive=Archive(Path("/a/shop-0123.tar.gz"), "0123", "git 1a2b"),
            machines=("app1", "app2"),
            tokens={"app1": "t"},
            only_known_fronts=True,
        ),
    ],
)
def test_request_is_the_same_on_the_other_side(request_: Request) -> None:
    assert Request.from_data(json.loads(json.dumps(request_.to_data()))) == request_
