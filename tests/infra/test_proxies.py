"""A proxy in front of the site: whom is believed about who the visitor is."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable
from typing import Any

import pytest

testinfra_hosts = ["ansible://postgresql_primary"]

# What somebody may claim: an address that is not theirs, under every name that there is for it.
CLAIM = "203.0.113.9"
CLAIMED = {
    "X-Forwarded-For": f"192.0.2.1, {CLAIM}",
    "X-Real-IP": "192.0.2.2",
    "CF-Connecting-IP": CLAIM,
    "X-Forwarded-Host": "evil.example",
}
# Run on a machine: it asks the site for a page, and prints status, Location and body.
ASK = """
import http.client, json, ssl, sys
scheme, address, path, headers = sys.argv[1:]
if scheme == "https":
    # As load balancers do, which tell no name in the handshake.
    connection = http.client.HTTPSConnection(address, context=ssl._create_unverified_context())
else:
    connection = http.client.HTTPConnection(address)
connection.request("GET", path, headers=json.loads(headers))
answer = connection.getresponse()
print(json.dumps([answer.status, answer.getheader("Location"), answer.read().decode()]))
"""


@pytest.fixture
def ask(
    machine: Callable[[str], Any], hostvars: dict[str, Any], declared: dict[str, Any], site: Any
) -> Callable[..., tuple[int, str, str]]:
    """Ask the site from the machine that is a trusted proxy, or from another one."""
    trusted = [
        name
        for name, values in hostvars.items()
        if values["private_address"] in declared.get("trusted_proxies", ())
    ]
    if not trusted:
        pytest.skip("no machine of this inventory is a trusted proxy")
    others = [name for name in hostvars if name not in trusted]

    def get(is_trusted: bool, scheme: str, path: str, **claimed: str) -> tuple[int, str, str]:
        headers = {"Host": site.domain, **CLAIMED}
        headers |= {name.replace("_", "-"): value for name, value in claimed.items()}
        output = machine((trusted if is_trusted else others)[0]).check_output(
            "python3 -c %s %s %s %s %s", ASK, scheme, site.address, path, json.dumps(headers)
        )
        return tuple(json.loads(output))

    return get


@pytest.mark.parametrize("scheme", ["https", "http"])
def test_a_trusted_proxy_says_who_the_visitor_is(
    ask: Any, scheme: str, machine: Any, topology: dict[str, Any]
) -> None:
    page = f"/visitor/?{uuid.uuid4().hex}"
    status, _, body = ask(True, scheme, page, X_Forwarded_Proto="https")
    seen = json.loads(body)
    assert (status, seen["is_secure"]) == (200, True)
    # The last address that is no proxy of ours; what a visitor wrote stands before it.
    assert (seen["HTTP_X_FORWARDED_FOR"], seen["HTTP_X_REAL_IP"]) == (CLAIM, CLAIM)
    assert seen["REMOTE_ADDR"] == CLAIM
    assert seen["HTTP_CF_CONNECTING_IP"] == CLAIM
    assert logged(machine(topology["services"]["nginx"][0]), page)["client"] == CLAIM


def test_anybody_else_is_who_connects(ask: Any, machine: Any, topology: dict[str, Any]) -> None:
    page = f"/visitor/?{uuid.uuid4().hex}"
    status, _, body = ask(False, "https", page, X_Forwarded_Proto="http")
    seen = json.loads(body)
    assert (status, seen["is_secure"]) == (200, True)
    assert CLAIM not in body
    web = machine(topology["services"]["nginx"][0])
    assert logged(web, page)["client"] == seen["HTTP_X_REAL_IP"] == seen["REMOTE_ADDR"]


@pytest.mark.parametrize(
    ("is_trusted", "scheme", "claimed"),
    [(True, "https", "http"), (True, "http", ""), (False, "http", "https")],
)
def test_who_came_by_plain_http_is_redirected(
    ask: Any, site: Any, is_trusted: bool, scheme: str, claimed: str
) -> None:
    status, location, _ = ask(is_trusted, scheme, "/visitor/", X_Forwarded_Proto=claimed)
    assert (status, location) == (308, f"https://{site.domain}/visitor/")


def logged(web: Any, page: str) -> dict[str, Any]:
    """The line of nginx's log about a page; nginx writes it within a second."""
    for _ in range(50):
        if lines := web.run("grep -F %s /var/log/nginx/access.log", page).stdout.splitlines():
            return json.loads(lines[-1])
        time.sleep(0.1)
    raise AssertionError(f"{page} is not in the log")
