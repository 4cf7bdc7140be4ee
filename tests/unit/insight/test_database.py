"""What the database and the machines show."""

from __future__ import annotations

import pytest

from espalier.insight.database import database, reads_share
from espalier.insight.evidence import Evidence
from espalier.insight.observe import observe
from espalier.insight.readings import (
    Memory,
    Network,
    Pool,
    Postgresql,
    Pressure,
    Processor,
    Redis,
    Sample,
    Service,
)
from espalier.insight.recording import Statement
from espalier.insight.window import Row, choose
from tests.unit.insight.builders import Host, Visit, recording
from tests.unit.insight.test_split import PLAIN

APART = {
    "web1": Host(services=("nginx", "django")),
    "db1": Host(services=("postgresql_primary",)),
    "db2": Host(services=("postgresql_replica",)),
}


def seen(machine: str, *samples: dict[str, object]) -> Evidence:
    """A site of three machines, one of which shows these samples in turn."""
    made = recording(machines=APART, seconds=40, site={"max_connections": 20})

    def change(number: int, sample: Sample) -> Sample:
        return sample.model_copy(update=samples[number % len(samples)])

    one = made.machines[machine]
    changed = [change(number, sample) for number, sample in enumerate(one.samples)]
    return observe(
        made.model_copy(
            update={
                "machines": made.machines
                | {machine: one.model_copy(update={"samples": changed, "cores": 2.0})}
            }
        )
    )


def test_means_of_the_primary() -> None:
    looks = [
        Postgresql(
            active=4,
            waits={"CPU": 1, "Lock:tuple": 3},
            connections=10,
            blocks_hit=90,
            blocks_read=10,
            wal_syncs=10,
            sync_seconds=0.2,
            blocked_by={"UPDATE a": 2},
            sessions=6,
        ),
        Postgresql(active=2, waits={"CPU": 2}, connections=18, blocks_hit=100, wal_syncs=30),
    ]
    found = seen("db1", *({"postgresql": look} for look in looks)).database
    assert found.machine == "db1"
    assert (found.active, found.connections, found.most_connections) == (3, 14, 18)
    assert found.max_connections == 20
    assert found.waits == {"CPU": 1.5, "Lock:tuple": 1.5}
    assert found.waiting("Lock:") == 0.5
    assert found.hit_ratio == 0.95
    assert found.sync_wait == pytest.approx(0.01)  # 0.2 s of the seconds that tell, 20 syncs
    assert found.blocking == {"UPDATE a": 1.0}
    assert found.sessions == 3


def test_replicas_tell_their_lag() -> None:
    found = seen("db2", {"replica_lag": 1.0}, {"replica_lag": 3.0}).database
    assert found.replicas == {"db2": 2.0}


def test_requests_that_failed_while_connections_were_at_their_most_are_counted() -> None:
    made = recording(machines=APART, seconds=40, site={"max_connections": 20})
    full = Postgresql(connections=19)
    samples = [
        sample.model_copy(update={"postgresql": full}) if place == 7 else sample
        for place, sample in enumerate(made.machines["db1"].samples)
    ]
    made = made.model_copy(
        update={
            "machines": made.machines
            | {"db1": made.machines["db1"].model_copy(update={"samples": samples})}
        }
    )
    window = choose(made).window
    failed = PLAIN._replace(status=500)
    rows = [
        Row("web1", 1, failed._replace(t=window.began + 7.5)),
        Row("web1", 1, failed._replace(t=window.began + 7.6)),
        Row("web1", 1, failed._replace(t=window.began + 8.5)),
        Row("web1", 1, PLAIN._replace(t=window.began + 7.7)),
    ]
    assert database(made, window, rows).refused == 2


def test_reads_in_requests_that_write_stay_with_the_primary() -> None:
    reads = Statement(id="1", text="SELECT", calls=1, seconds=9.0)
    writes = Statement(id="2", text="UPDATE", calls=1, seconds=1.0, reads=False)
    calm = Row("web1", 1, PLAIN._replace(database=1.0))
    wrote = Row("web1", 3, PLAIN._replace(database=1.0, writes=1))
    assert reads_share([reads, writes], []) == 0.9
    assert reads_share([], [calm, wrote]) == 0.25
    assert reads_share([reads, writes], [calm, wrote]) == 0.25
    assert reads_share([writes], [calm]) == 0.0
    kept = Row("web1", 1, PLAIN._replace(database=2.0, upstream=None, cache="HIT"))
    assert reads_share([], [calm, wrote, kept]) == 0.25
    assert reads_share([], []) == 0.0


def test_statements_come_by_their_time() -> None:
    made = [
        Statement(id="1", text="SELECT 1", calls=9, seconds=1.0),
        Statement(id="2", text="SELECT 2", calls=3, seconds=9.0),
    ]
    assert [one.id for one in observe(recording(statements=made)).statements] == ["2", "1"]


def test_means_of_a_machine() -> None:
    service = Service(processes=[0.7, 0.3])
    found = seen(
        "web1",
        {
            "processor": Processor(busy=1.0, steal=0.4, throttled=0.5),
            "services": {"django": service},
            "memory": Memory(swapped_in=10, available_mb=100),
            "pressure": Pressure(memory_full=0.2),
            "listen_queue": 4.0,
        },
        {
            "processor": Processor(busy=2.0),
            "services": {"django": Service(processes=[0.1])},
        },
    ).machines["web1"]
    assert (found.busy, found.steal, found.throttled) == pytest.approx((1.5, 0.1, 0.25))
    assert found.processes == pytest.approx((0.4, 0.15))
    assert found.busiest_process == pytest.approx(0.4)
    assert (found.swapped_in, found.memory_available_mb) == pytest.approx((5.0, 50.0))
    assert (found.memory_full, found.io_full) == (pytest.approx(0.2), None)
    assert found.listen_queue == 4.0


def test_peers_are_named_as_the_site_names_them() -> None:
    network = Network(
        segments=100,
        retransmitted=5,
        round_trips={"10.0.0.2": 0.03, "192.0.2.9": 0.1},
        peers_segments={"10.0.0.2": 50},
        peers_retransmitted={"10.0.0.2": 5},
    )
    found = seen("web1", {"network": network}).machines["web1"]
    assert found.round_trips == pytest.approx({"db1": 0.03, "192.0.2.9": 0.1})
    assert found.peers_retransmitted == {"db1": 0.1}
    assert found.retransmitted == pytest.approx(0.05)


def test_pool_redis_and_queues_over_time() -> None:
    found = seen(
        "web1",
        {"pool": Pool(clients_waiting=4), "redis": Redis(evicted=1), "queues": {"mail": 3}},
        {"pool": Pool(clients_waiting=0), "queues": {"mail": 5}},
    )
    assert found.pool["clients_waiting"] == 2
    assert found.redis["evicted"] == 1
    assert list(found.queues["mail"])[:4] == [3.0, 5.0, 3.0, 5.0]


def test_writes_show_in_what_a_replica_could_take() -> None:
    kinds = [Visit(view="read"), Visit(view="write", writes=1)]
    assert observe(recording(visits=kinds)).database.reads_share == pytest.approx(0.5, abs=0.05)
