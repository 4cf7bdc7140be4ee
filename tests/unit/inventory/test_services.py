"""The table of services agrees with the rest of the kit."""

from __future__ import annotations

from espalier import paths
from espalier.inventory.services import DUTIES, SERVICES

NOT_BUILT = {"etcd", "patroni"}


def test_role_of_every_service_is_there() -> None:
    missing = {
        service
        for service, row in SERVICES.items()
        if not (paths.ROLES / row.role / "tasks/main.yml").exists()
    }
    assert missing == NOT_BUILT


def test_every_service_has_a_duty() -> None:
    assert {row.duty for row in SERVICES.values()} <= set(DUTIES)


def test_ports() -> None:
    assert {service: row.ports for service, row in SERVICES.items()} == {
        "nginx": (80, 443),
        "app_proxy": (8443,),
        "django": (),
        "media": (8090,),
        "pgbouncer": (6432,),
        "postgresql_primary": (5432,),
        "postgresql_replica": (5432,),
        "redis": (6379,),
        "queue": (6380,),
        "media_tunnel": (8490,),
        "redis_tunnel": (6390,),
        "queue_tunnel": (6391,),
        "pgbackrest": (8432,),
        "pgbackrest_repository": (8432,),
        "restic": (),
        "restic_repository": (8433,),
        "etcd": (2379, 2380),
        "patroni": (8008,),
    }
