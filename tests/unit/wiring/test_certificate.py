"""Which certificate a site has, who asks for it, and with which key."""

from __future__ import annotations

import json

import pytest

from espalier.wiring.acme_account import acme_account
from espalier.wiring.certificate import (
    LETS_ENCRYPT,
    STAGING,
    certificate,
    dns_problem,
    is_public,
    plan,
    settings,
)

SECRET = "a" * 64
PRIVATE = "https://acme.example.com/directory"


def test_public_names_have_one_of_the_public_authority() -> None:
    found = certificate({"kind": "auto"}, ["orchard.net", "www.orchard.net"])
    assert (
        found["kind"],
        found["authority"],
        found["staging"],
        found["profile"],
        found["why"],
    ) == (
        *("acme", LETS_ENCRYPT, STAGING),
        *("", ""),
    )


def test_a_public_address_has_the_profile_for_addresses() -> None:
    found = certificate({"kind": "auto"}, ["93.184.215.14"])
    assert (found["kind"], found["profile"]) == ("acme", "shortlived")


@pytest.mark.parametrize(
    ("domains", "why"),
    [
        (["orchard.example"], "orchard.example is no public name"),
        (["198.18.1.11"], "198.18.1.11 is no public address"),
    ],
)
def test_what_no_public_authority_knows_is_self_signed_with_a_reason(
    domains: list[str], why: str
) -> None:
    found = certificate({"kind": "auto"}, domains)
    assert found["kind"] == "self_signed"
    assert found["why"].startswith(f"The certificate is self-signed: {why}; ")


def test_public_names_have_a_real_one_beside_names_that_cannot() -> None:
    found = certificate({"kind": "auto"}, ["orchard.net", "shop.internal", "10.0.0.7"])
    assert (found["kind"], found["names"], found["profile"]) == ("acme", ["orchard.net"], "")
    assert found["why"].startswith("The certificate is not for shop.internal, 10.0.0.7, which ")


def test_an_authority_of_ones_own_gives_any_name_and_has_no_staging() -> None:
    found = certificate({"kind": "auto", "authority": PRIVATE}, ["shop.internal", "10.0.0.7"])
    assert (found["kind"], found["authority"]) == ("acme", PRIVATE)
    assert (found["staging"], found["profile"], found["why"]) == ("", "", "")
    assert found["names"] == ["shop.internal", "10.0.0.7"]


def test_what_is_said_wins() -> None:
    assert certificate({"kind": "self_signed"}, ["orchard.net"])["kind"] == "self_signed"
    assert certificate({"kind": "own"}, ["orchard.example"])["kind"] == "own"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("orchard.net", True),
        ("localexample.com", True),
        ("orchard.example.com", False),
        ("printer.local", False),
        ("localhost", False),
        ("2606:2800:21f::1", True),
        ("fd00::1", False),
        ("10.0.0.1", False),
    ],
)
def test_public(name: str, expected: bool) -> None:
    assert is_public(name) is expected


WANTED = certificate({"kind": "auto"}, ["a.net"])
GOOD = {"kind": "acme", "names": ["a.net"], "problem": ""}


@pytest.mark.parametrize(
    ("recorded", "due", "source"),
    [
        ([{}, {}], ["web1", "web2"], "web1"),
        ([GOOD, {}], ["web2"], "web1"),
        ([{}, GOOD], ["web1"], "web2"),
        ([GOOD, GOOD], [], ""),
        ([GOOD | {"names": ["b.net"]}, GOOD], ["web1"], "web2"),
        ([GOOD | {"problem": "refused"}, GOOD], ["web1"], "web2"),
        ([GOOD | {"kind": "placeholder"}, {}], ["web1", "web2"], "web1"),
    ],
)
def test_one_machine_asks_and_the_others_take_a_copy(
    recorded: list[dict[str, object]], due: list[str], source: str
) -> None:
    assert plan(["web1", "web2"], recorded, WANTED) == {"due": due, "source": source}


def test_nobody_asks_for_a_self_signed_one() -> None:
    wanted = certificate({"kind": "self_signed"}, ["a.net"])
    assert plan(["web1"], [{}], wanted) == {"due": [], "source": ""}


def test_settings_of_the_command() -> None:
    text = settings(WANTED, ["192.0.2.1"], "thumb", "/etc/nginx/tls/a.net-1")
    assert json.loads(text) == {
        "kind": "acme",
        "authority": LETS_ENCRYPT,
        "staging": STAGING,
        "profile": "",
        "email": "",
        "dns": "",
        "propagation": 0,
        "names": ["a.net"],
        "addresses": ["192.0.2.1"],
        "thumbprint": "thumb",
        "placeholder": "/etc/nginx/tls/a.net-1",
    }


@pytest.mark.parametrize(
    ("provider", "credentials", "problem"),
    [
        ("cloudflare", "dns_cloudflare_api_token = abc\n", ""),
        (
            *("cloudflare", ""),
            "nothing has its credentials: write dns_cloudflare_api_token = …",
        ),
        ("cloudflare", {"api_token": "abc"}, "nothing has its credentials: write "),
        ("hetzner", "# mine\ndns_hetzner_cloud_api_token=abc", ""),
        (
            *("ovh", "dns_ovh_endpoint = ovh-eu\ndns_ovh_application_key = a\n"),
            "its credentials lack dns_ovh_application_secret, dns_ovh_consumer_key: write ",
        ),
        ("route53", "[default]\naws_access_key_id = a\naws_secret_access_key = b\n", ""),
        ("route53", "", "nothing has its credentials: write [default], aws_access_key_id = …"),
        ("google", '{"private_key": "a", "client_email": "b"}', ""),
        ("google", "private_key = a", "its credentials lack private_key, client_email: write the "),
    ],
)
def test_credentials_of_a_dns_provider(provider: str, credentials: object, problem: str) -> None:
    wanted = certificate({"kind": "auto", "dns": provider}, ["a.net", "*.a.net"])
    assert wanted["kind"] == "acme"
    said = dns_problem(wanted, credentials)
    assert said.startswith(problem) if problem else said == ""


def test_no_credentials_are_wanted_where_nobody_asks_by_dns() -> None:
    assert dns_problem(certificate({"kind": "auto"}, ["a.net"]), "") == ""
    private = certificate({"kind": "auto", "dns": "ovh"}, ["a.test", "*.a.test"])
    assert (private["kind"], dns_problem(private, "")) == ("self_signed", "")


def test_the_account_is_made_of_its_secret_alone() -> None:
    # As josepy, certbot's library, computes the thumbprint of the same key.
    account = acme_account(SECRET)
    assert account["thumbprint"] == "H4sHjB-rSx1StlhLohV21dyUO9uy-rE2UWQSZa982xI"
    assert json.loads(account["key"])["kty"] == "EC"
    assert acme_account("b" * 64)["thumbprint"] != account["thumbprint"]


def test_a_short_secret_is_no_key() -> None:
    with pytest.raises(ValueError, match="too short"):
        acme_account("a" * 39)
