"""URLs of the cache and the queue, and a project that names the queue."""

from __future__ import annotations

from espalier.wiring.redis import project_environment, redis_environment

from .links import link

LINKS = {
    "cache": [link("vps1/redis", "127.0.0.1", 6379, "cache")],
    "jobs": [link("vps1/queue", "fd00::1", 6380, "jobs")],
}


def test_urls_quote_the_password_and_bracket_an_ipv6_address() -> None:
    assert redis_environment(LINKS, "shop", "p@ss:/word") == {
        "ESPALIER_CACHE_URL": "redis://shop:p%40ss%3A%2Fword@127.0.0.1:6379/0",
        "ESPALIER_QUEUE_URL": "redis://shop:p%40ss%3A%2Fword@[fd00::1]:6380/0",
        "ESPALIER_QUEUE_HOST": "fd00::1",
        "ESPALIER_QUEUE_PORT": "6380",
        "ESPALIER_QUEUE_USER": "shop",
        "ESPALIER_QUEUE_PASSWORD": "p@ss:/word",
    }


def test_without_redis_nothing_is_said() -> None:
    assert redis_environment({"queries": []}, "shop", "") == {}


def test_project_may_name_the_queue() -> None:
    said = {"CELERY_BROKER_URL": "$ESPALIER_QUEUE_URL", "RETRIES": 5}
    queue = {"ESPALIER_QUEUE_URL": "redis://queue"}
    assert project_environment(said, queue) == {"CELERY_BROKER_URL": "redis://queue", "RETRIES": 5}
    assert project_environment(said, {}) == {"CELERY_BROKER_URL": "", "RETRIES": 5}
