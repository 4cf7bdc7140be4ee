"""project.yml: what is accepted, and what the kit makes of it."""

from __future__ import annotations

import re

import pytest
from ansible.parsing.dataloader import DataLoader
from pydantic import ValidationError

from espalier.project.schema import Project, check
from tests.unit.project.samples import KEY
from tests.unit.project.samples import LEAST as D


def test_defaults():
    checked = check({"directory": "../orchard", "settings": None})
    assert checked == Project(
        name="orchard",
        directory="../orchard",
        path=None,
        static_url="/static/",
        media_url="/media/",
        overlay=True,
        upload_limit_mb=25,
    )


def test_everything_stated():
    checked = check(
        {
            "name": "shop",
            "git": "https://git.example.com/shop.git",
            "version": "v1.2",
            "path": "backend/",
            "domains": ["Shop.example.com", "203.0.113.10", "[2001:DB8::1]"],
            "settings": "shop.settings.production",
            "application": "shop.asgi:application",
            "requirements": "requirements/prod.txt",
            "groups": ["postgres"],
            "python": "3.12",
            "python_mirror": "https://mirror.example.com/pythons/",
            "extra_requirements": ["django-storages[s3]", "celery==5.5.3"],
            "index": ["https://ci:p%40ss@pypi.example.com/simple/", "https://two.example.com/"],
            "logins": {"GitHub.com": "token123"},
            "deploy_key": KEY,
            "packages": ["libpango-1.0-0"],
            "apps": ["django.contrib.postgres"],
            "environment": {"A": "x=1", "WORKERS": 3, "FLAG": True},
            "static_url": "/assets/",
            "media_url": "/files/up/",
            "overlay": False,
            "build_on": "vps1",
            "writable": ["/var/lib/shop/", "data/"],
            "files": {"certs/ca.pem": {"from": "ca.pem"}, "shop/keys.py": "KEY = 's3cret'\n"},
            "upload_limit_mb": 100,
            "microcache": [{"path": "/", "seconds": 1}, {"path": "/feed.xml", "seconds": 3600}],
            "database": {
                "extensions": ["postgis", "postgis"],
                "version": 17,
                "databases": ["logs"],
                "readers": {"bi": {"from": ["10.0.0.7"]}},
            },
            "email": {"host": "SMTP.example.com", "from": "Shop <a@b.example>", "user": "shop"},
            "egress": ["SMTP.example.com:587", "203.0.113.0/24", "[2001:DB8::7]:443"],
            "login_paths": ["/en/login/", "/api/token"],
            "hsts": False,
            "http3": True,
            "csp": "off",
            "certificate": {"authority": "https://acme.example.com/dir", "email": "a@b.net"},
            "anonymise": {"auth_user": ["email", "email"], "crm.Order Items": ["note"]},
            "quiet": False,
            "trusted_proxies": ["Cloudflare", "198.51.100.7", "2001:DB8::/32"],
        }
    )
    assert checked.microcache == (
        {"path": "/", "seconds": 1},
        {"path": "/feed.xml", "seconds": 3600},
    )
    assert checked.index == ("https://pypi.example.com/simple/", "https://two.example.com/")
    assert checked.logins == {"pypi.example.com": "ci:p@ss", "github.com": "token123"}
    assert checked.deploy_key == KEY + "\n"
    assert not {"p@ss", "token123", "AAAA"} & set(re.split(r"[:'\"\\]|\\n", repr(checked)))
    assert checked.database == {
        "extensions": ("postgis",),
        "version": "17",
        "databases": ("logs",),
        "readers": {"bi": ("10.0.0.7/32",)},
    }
    assert checked.email == {
        "host": "smtp.example.com",
        "port": 587,
        "user": "shop",
        "from": "Shop <a@b.example>",
        "tls": "starttls",
    }
    assert checked.build_on == "vps1"
    assert checked.anonymise == {"auth_user": ("email",), "crm.Order Items": ("note",)}
    assert checked.egress == ("smtp.example.com:587", "203.0.113.0/24", "[2001:db8::7]:443")
    assert checked.login_paths == ("/en/login/", "/api/token")
    assert (checked.hsts, checked.http3, checked.csp) == (False, True, "")
    assert checked.certificate == {
        "kind": "auto",
        "authority": "https://acme.example.com/dir",
        "email": "a@b.net",
    }
    assert checked.trusted_proxies == ("cloudflare", "198.51.100.7/32", "2001:db8::/32")
    assert checked.domains == ("shop.example.com", "203.0.113.10", "2001:db8::1")
    assert checked.environment == {"A": "x=1", "WORKERS": "3", "FLAG": "True"}
    assert checked.writable == ("/var/lib/shop", "data")
    assert checked.writable_inside == ("data",)
    assert checked.path == "backend"
    assert checked.python_mirror == "https://mirror.example.com/pythons"
    assert checked.files == {
        "certs/ca.pem": {"from": "ca.pem"},
        "shop/keys.py": {"content": "KEY = 's3cret'\n"},
    }
    assert "x=1" not in repr(checked)
    assert "s3cret" not in repr(checked)


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ({"directory": "/home/me/My-Shop/"}, "my_shop"),
        ({"git": "git@host.example.com:me/Shop2.git"}, "shop2"),
        ({"git": "https://host.example.com/me/shop/"}, "shop"),
        ({"package": "django-wiki[all]"}, "django_wiki"),
    ],
)
def test_name_comes_from_the_source(source, name):
    assert check(source).name == name


@pytest.mark.parametrize(
    "certificate",
    [
        {"dns": "route53"},
        {"dns": "rfc2136", "propagation": 5, "authority": "https://acme.a.net/dir"},
        "self_signed",
        {"certificate": "a.pem", "key": "a.key"},
    ],
)
def test_a_wildcard_with_what_can_have_one(certificate):
    checked = check({**D, "domains": ["A.net", "*.A.net"], "certificate": certificate})
    assert checked.domains == ("a.net", "*.a.net")


def test_a_number_from_a_template_of_ansible_is_a_number():
    class TaggedInt(int):
        """As ansible-core makes of a number in an inventory."""

    email = {"host": "a.example", "port": TaggedInt(2525), "from": "a@b.example"}
    assert check({**D, "domains": ["a.example"], "email": email}, "file").email["port"] == 2525


def test_a_checked_project_cannot_be_changed():
    checked = check({"directory": "x"})
    with pytest.raises(ValidationError, match="frozen"):
        checked.name = "other"


@pytest.mark.filterwarnings("error")
def test_a_checked_project_as_json():
    values = {**D, "domains": ["a.example"], "hooks": {"after_switch": ["x"]}}
    dumped = check(values | {"microcache": [{"path": "/", "seconds": 1}]}).model_dump(mode="json")
    assert dumped["domains"] == ["a.example"]
    assert dumped["hooks"] == {"after_switch": ["x"]}
    assert dumped["microcache"] == [{"path": "/", "seconds": 1}]


def test_numbers_of_the_type_that_ansible_gives_them():
    stated = DataLoader().load(
        "{directory: x, upload_limit_mb: 5, email: {host: a.example, from: b@a.example, port: 26},"
        " microcache: [{path: /, seconds: 7}], processes: {w: {command: x, count: 3}},"
        " environment: {A: 4}, database: {version: 17}}"
    )
    assert type(stated["email"]["port"]) is not int
    checked = check(stated)
    assert checked.email["port"] == 26
    assert (checked.upload_limit_mb, checked.microcache[0]["seconds"]) == (5, 7)
