"""The packages of a machine, in one list."""

from __future__ import annotations

import yaml

from espalier.inventory.services import SERVICES
from espalier.paths import ROLES
from espalier.wiring.packages import packages, replaces_debians

DEFAULTS = {
    "nginx": {"nginx_packages": ["nginx", "openssl"], "nginx_proxy_packages": ["nftables"]},
    "django": {"django_packages": ["python3"]},
    "media": {"media_packages": ["nginx"]},
}


def test_each_package_is_listed_once_and_the_project_s_where_it_runs() -> None:
    listed = packages(["app_proxy", "django", "media"], ["libpango"], defaults=DEFAULTS)
    assert listed == ["nginx", "openssl", "nftables", "python3", "libpango"]
    assert packages(["nginx"], ["libpango"], defaults=DEFAULTS) == ["nginx", "openssl"]


def test_without_other_lists_the_roles_own_are_read() -> None:
    assert packages(["redis", "queue"]) == ["redis-server"]
    for service, row in SERVICES.items():
        if (ROLES / row.role).is_dir():
            text = (ROLES / row.role / "defaults/main.yml").read_text()
            assert set(yaml.safe_load(text)[f"{row.role}_packages"]) <= set(packages([service]))


def test_the_database_s_packages_are_where_postgresql_is() -> None:
    needed = ["postgresql-17-postgis-3"]
    for service in ("postgresql_primary", "postgresql_replica"):
        assert packages([service], database=needed)[-1] == needed[0]
    assert needed[0] not in packages(["nginx"], database=needed)


def test_a_certificate_of_an_authority_needs_what_makes_a_virtual_environment() -> None:
    defaults = {
        "nginx": {"nginx_packages": ["nginx"], "nginx_certificate_packages": ["python3-venv"]}
    }
    assert packages(["nginx"], defaults=defaults) == ["nginx"]
    assert packages(["nginx"], defaults=defaults, certificate=True) == ["nginx", "python3-venv"]


def test_configuration_of_debian_s_is_written_over_once() -> None:
    path = "/etc/nginx/nginx.conf"

    def diffs(before: str, of: str = path) -> list[dict[str, str]]:
        return [{"before_header": of, "before": before, "after": "# Written by Espalier."}]

    assert replaces_debians(diffs("user www-data;"), path)
    assert not replaces_debians(diffs("# Written by Espalier. An older one."), path)
    assert not replaces_debians(diffs(""), path)  # there was none
    assert not replaces_debians(diffs("user www-data;", "/etc/nginx/other.conf"), path)
    assert not replaces_debians([], path)
