"""The parts of a site: what each has, what is used, and at which rate it is full."""

from __future__ import annotations

import time
from statistics import mean

import pytest

from espalier.insight.evidence import Evidence, Kind
from espalier.insight.observe import observe
from espalier.insight.readings import Postgresql, Processor, Sample, Service
from tests.unit.insight.builders import BEGAN, Host, Visit, recording

WEB = Host(services=("nginx", "django"), cores=2.0, workers=4, threads=8)
DB = Host(services=("postgresql_primary",), cores=2.0)


def apart(**changes: object) -> Evidence:
    """A site of two machines, at 40 requests/s unless said otherwise."""
    made = {"machines": {"web1": WEB, "db1": DB}, "rate": 40.0, "seconds": 120} | changes
    return observe(recording(**made))  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", range(5))
def test_a_known_demand_gives_its_bound_within_the_interval(seed: int) -> None:
    demands = {"nginx": 0.001, "django": 0.019, "postgresql_primary": 0.005}
    found = apart(demands=demands, seed=seed)
    first = found.parts[0]
    assert (first.kind, first.machines, first.busiest) == (Kind.PROCESSOR, ("web1",), "django")
    assert first.demand == pytest.approx(0.020, rel=0.05)
    assert first.bound.low <= 2 / 0.020 * 1.02
    assert first.bound.high >= 2 / 0.020 * 0.98
    assert first.bound.high - first.bound.low < 10
    assert found.certain > 0.99
    database = found.part(Kind.PROCESSOR, "db1")
    assert database is not None
    assert database.bound.value == pytest.approx(400, rel=0.05)
    assert database.busiest == "postgresql_primary"
    assert database.lowest == 0.0


def test_the_interval_holds_the_true_bound_in_nearly_all_recordings() -> None:
    demands = {"nginx": 0.0, "django": 0.02, "postgresql_primary": 0.001}
    held = 0
    for seed in range(30):
        first = apart(demands=demands, seed=seed, seconds=60).part(Kind.PROCESSOR, "web1")
        assert first is not None
        held += first.bound.low <= 100 <= first.bound.high
    assert held >= 24


def test_two_equal_parts_are_equally_probable() -> None:
    demands = {"nginx": 0.0, "django": 0.02, "postgresql_primary": 0.02}
    certain, margins = [], []
    for seed in range(12):
        found = apart(demands=demands, seed=seed)
        web, db = found.part(Kind.PROCESSOR, "web1"), found.part(Kind.PROCESSOR, "db1")
        assert web is not None
        assert db is not None
        certain.append(web.lowest)
        margins.append(abs(web.bound.value / db.bound.value - 1))
        assert web.lowest + db.lowest == pytest.approx(1.0)
    assert 0.25 < mean(certain) < 0.75
    assert max(margins) < 0.05


def test_app_machines_share_one_processor_and_their_workers() -> None:
    web = Host(services=("nginx",), cores=1.0)
    app = Host(services=("django",), cores=2.0, workers=1, threads=8)
    found = observe(
        recording(
            machines={"web1": web, "app1": app, "app2": app, "db1": DB},
            demands={"nginx": 0.001, "django": 0.02, "postgresql_primary": 0.002},
            rate=40,
        )
    )
    group = found.part(Kind.PROCESSOR, "app2")
    assert group is not None
    assert (group.machines, group.capacity) == (("app1", "app2"), 4.0)
    assert group.bound.value == pytest.approx(200, rel=0.07)
    workers = found.part(Kind.WORKERS)
    assert workers is not None
    assert (workers.machines, workers.capacity) == (("app1", "app2"), 2.0)
    assert workers.bound.value == pytest.approx(100, rel=0.07)
    assert found.parts[0] is workers


def test_a_machine_with_django_and_the_database_is_a_part_of_its_own() -> None:
    both = Host(services=("nginx", "django", "postgresql_primary"), workers=2)
    app = Host(services=("django",), workers=2)
    found = observe(recording(machines={"vps1": both, "app2": app}, rate=40))
    processors = [part.machines for part in found.parts if part.kind == Kind.PROCESSOR]
    assert sorted(processors) == [("app2",), ("vps1",)]
    workers = found.part(Kind.WORKERS)
    assert workers is not None
    assert workers.machines == ("vps1", "app2")


def test_one_worker_on_two_cores_is_full_at_one_core() -> None:
    web = Host(services=("nginx", "django"), cores=4.0, workers=1, threads=16)
    found = apart(machines={"web1": web, "db1": DB}, rate=30)
    assert found.parts[0].kind == Kind.WORKERS
    assert found.parts[0].capacity == 1.0
    assert found.parts[0].bound.value == pytest.approx(50, rel=0.05)
    assert found.certain > 0.99


def test_more_workers_than_cores_are_no_more_than_cores() -> None:
    workers = apart(machines={"web1": Host(services=("nginx", "django"), workers=9)}).part(
        Kind.WORKERS
    )
    assert workers is not None
    assert workers.capacity == 2.0


def test_more_processes_than_are_told_of_show_in_their_sum() -> None:
    def many(name: str, sample: Sample) -> Sample:
        service = Service(cpu=1.9, processes=[0.1] * 16)
        return sample.model_copy(update={"services": {"django": service}})

    workers = apart(machines={"web1": WEB}, change=many).part(Kind.WORKERS)
    assert workers is not None
    assert workers.busy == pytest.approx(1.9)


def test_a_service_with_a_quota_is_full_before_its_machine() -> None:
    db = Host(services=("postgresql_primary",), cores=2.0, quotas={"postgresql_primary": 0.5})
    demands = {"django": 0.01, "postgresql_primary": 0.02}
    found = apart(machines={"web1": WEB, "db1": db}, demands=demands, steps=[10, 20, 40])
    first = found.parts[0]
    assert (first.kind, first.service, first.capacity) == (
        Kind.SERVICE,
        "postgresql_primary",
        0.5,
    )
    assert found.failed
    assert found.beyond is not None
    full = found.beyond.part(Kind.SERVICE)
    assert full is not None
    assert full.utilisation > 0.9
    assert full.bound.value == pytest.approx(25, rel=0.05)


def test_quotas_of_django_on_all_app_machines_are_one_part() -> None:
    app = Host(services=("django",), quotas={"django": 0.5})
    web = Host(services=("nginx",), cores=1.0)
    found = observe(recording(machines={"web1": web, "app1": app, "app2": app, "db1": DB}, rate=20))
    first = found.parts[0]
    assert (first.kind, first.machines, first.capacity) == (Kind.SERVICE, ("app1", "app2"), 1.0)


def test_threads_are_held_for_as_long_as_requests_wait() -> None:
    web = Host(services=("nginx", "django"), workers=1, threads=4)
    found = apart(
        machines={"web1": web, "db1": DB},
        demands={"nginx": 0.0, "django": 0.001, "postgresql_primary": 0.001},
        visits=[Visit(outside=0.198)],
        rate=10,
    )
    threads = found.part(Kind.THREADS)
    assert threads is not None
    assert threads.capacity == 4.0
    assert threads.busy == pytest.approx(2.0, rel=0.1)
    assert threads.demand == pytest.approx(0.2, rel=0.05)
    assert threads.bound.value == pytest.approx(20, rel=0.05)
    assert threads.lowest > 0.99  # of all parts, as it is soft
    assert found.certain > 0.9  # of the hard ones, and threads are none
    assert not threads.is_hard


def test_a_request_that_never_came_to_a_thread_holds_none() -> None:
    lost = Visit(view="", told=False, status=504, outside=9.0, share=0.2)
    made = recording(machines={"web1": WEB, "db1": DB}, visits=[Visit(outside=0.1), lost], rate=10)
    threads = observe(made).part(Kind.THREADS)
    assert threads is not None
    assert threads.busy == pytest.approx(10 / 1.2 * 0.125, rel=0.15)


def test_without_times_of_django_threads_are_held_for_as_long_as_nginx_waits() -> None:
    found = apart(visits=[Visit(told=False, outside=0.1)], rate=20).part(Kind.THREADS)
    assert found is not None
    assert found.busy == pytest.approx(20 * 0.125, rel=0.1)


def test_sending_an_answer_to_a_slow_visitor_holds_no_thread() -> None:
    made = recording(machines={"web1": WEB}, rate=10, seconds=60)
    web = made.machines["web1"]
    # Sent for 30 s, and answered after the window: Django had them until its 45th second.
    slow = [web.requests[0]._replace(t=BEGAN + 75, took=36.0, upstream=6.0, app=6.0)] * 10
    web = web.model_copy(update={"requests": web.requests + slow})
    threads = observe(made.model_copy(update={"machines": {"web1": web}})).part(Kind.THREADS)
    assert threads is not None
    assert threads.busy == pytest.approx(1.0 + 10 * 0.025, rel=0.05)


def test_no_more_threads_are_held_than_there_are() -> None:
    web = Host(services=("nginx", "django"), workers=1, threads=2)
    found = observe(
        recording(machines={"web1": web}, visits=[Visit(told=False, outside=0.1)], steps=[5, 40])
    )
    assert found.beyond is not None
    threads = found.beyond.part(Kind.THREADS)
    assert threads is not None
    assert threads.utilisation == pytest.approx(1.0)


def test_connections_count_at_their_most() -> None:
    def more(name: str, sample: Sample) -> Sample:
        connections = 40.0 if sample.t % 10 == 0 else 10.0
        return sample.model_copy(update={"postgresql": Postgresql(connections=connections)})

    found = observe(recording(change=more)).part(Kind.CONNECTIONS)
    assert found is not None
    assert (found.busy, found.capacity) == (pytest.approx(40), 100)


def test_the_disk_and_the_pool_are_parts() -> None:
    db = Host(services=("pgbouncer", "postgresql_primary"))
    found = apart(
        machines={"web1": WEB, "db1": db},
        demands={"disk": 0.02, "postgresql_primary": 0.005},
        site={"pool_size": 4, "max_connections": 50},
        rate=20,
    )
    disk, pool = found.part(Kind.DISK, "db1"), found.part(Kind.POOL)
    connections = found.part(Kind.CONNECTIONS)
    assert disk is not None
    assert disk.busiest == "postgresql_primary"
    assert disk.bound.value == pytest.approx(50, rel=0.06)
    assert pool is not None
    assert pool.bound.value == pytest.approx(4 / 0.025, rel=0.06)
    assert connections is not None
    assert (connections.busy, connections.capacity) == (pytest.approx(10), 50)


def test_a_part_that_nothing_uses_is_left_out() -> None:
    found = apart(demands={"disk": 0.0})
    assert found.part(Kind.DISK) is None
    assert found.part(Kind.POOL) is None


def test_what_the_host_takes_is_not_there_to_be_used() -> None:
    def steal(name: str, sample: Sample) -> Sample:
        if name != "web1":
            return sample
        busy = sample.processor.busy
        return sample.model_copy(update={"processor": Processor(busy=busy, steal=0.5)})

    found = apart(change=steal, demands={"nginx": 0.0, "django": 0.02})
    part = found.part(Kind.PROCESSOR, "web1")
    assert part is not None
    assert part.capacity == 1.5
    assert part.bound.value == pytest.approx(75, rel=0.05)
    assert found.machines["web1"].steal == 0.25


def test_the_same_recording_gives_the_same_evidence() -> None:
    made = recording(rate=20, seconds=60)
    assert observe(made) == observe(made)


def test_ten_minutes_of_five_machines_take_seconds() -> None:
    app = Host(services=("django",))
    hosts = {"web1": Host(services=("nginx",)), "db1": DB, "app1": app, "app2": app, "app3": app}
    made = recording(machines=hosts, rate=40, seconds=600)
    began = time.process_time()
    observe(made)
    assert time.process_time() - began < 4
