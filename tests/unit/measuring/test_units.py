"""Which units belong to a service."""

from __future__ import annotations

from espalier.inventory.services import SERVICES
from espalier.measuring.units import UNITS, units

# Their tier is not available.
NOT_BUILT = {"etcd", "patroni"}


def test_every_service_that_is_built_has_units() -> None:
    assert set(UNITS) == set(SERVICES) - NOT_BUILT - {"restic_repository"}


def test_unit_of_two_services_is_counted_once() -> None:
    found = units("shop", ["nginx", "app_proxy", "media_tunnel", "redis_tunnel"])
    assert found == {"nginx": ["nginx.service"], "media_tunnel": ["haproxy.service"]}
    assert units("shop", ["app_proxy"]) == {"app_proxy": ["nginx.service"]}


def test_django_has_two_slots_and_its_processes() -> None:
    assert units("shop", ["django"]) == {
        "django": ["shop-web@blue.service", "shop-web@green.service"],
        "processes": ["shop-process@*.service", "shop-schedule@*.service"],
    }


def test_postgresql_is_that_of_any_debian() -> None:
    assert units("shop", ["postgresql_primary"])["postgresql_primary"] == [
        "postgresql@15-main.service",
        "postgresql@17-main.service",
    ]
