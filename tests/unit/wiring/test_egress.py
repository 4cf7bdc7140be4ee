"""What Django may connect to, with literal projects and machines."""

from __future__ import annotations

from espalier.inventory.model import Machine
from espalier.wiring.egress import egress

MACHINES: dict[str, Machine] = {
    "vps1": {"address": "10.0.0.1", "public_address": "203.0.113.1"},
    "db1": {"address": "10.0.0.2", "public_address": "10.0.0.2"},
}


def test_the_site_itself_is_always_among_them() -> None:
    project = {"egress": (), "email": {}, "media_s3": {}}
    assert egress(project, MACHINES) == ["10.0.0.1", "10.0.0.2", "203.0.113.1"]


def test_mail_and_an_object_store_need_no_line_of_their_own() -> None:
    project = {
        "egress": ("api.example.com:443",),
        "email": {"host": "2001:db8::25", "port": 587},
        "media_s3": {"bucket": "b", "endpoint_url": "https://s3.example.com:9000/x"},
    }
    found = ["api.example.com:443", "[2001:db8::25]:587", "s3.example.com"]
    assert egress(project, MACHINES)[3:] == found
