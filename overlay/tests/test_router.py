"""The router's judgements, without a database."""

import pytest

from espalier_overlay.replicas import Answer, Lag
from espalier_overlay.router import Queries, writes


@pytest.mark.parametrize(
    "sql",
    [
        'SELECT "a" FROM "b" WHERE "c" = %s',
        'select a\n from "deletions"',
        '(SELECT "a" FROM "b") UNION (SELECT "a" FROM "c")',
        "SELECT a FROM b FOR UPDATE",
        "SELECT a FROM b;",
        "WITH x AS (SELECT 1) SELECT * FROM x",
        "EXPLAIN SELECT a FROM b",
        'SAVEPOINT "s1"',
        'RELEASE SAVEPOINT "s1"',
    ],
)
def test_reads(sql: str):
    assert not writes(sql)


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO a VALUES (1)",
        "  update a set b = 1",
        "DELETE FROM a",
        "WITH x AS (DELETE FROM a RETURNING *) SELECT * FROM x",
        "SELECT charge(%s)",
        "SELECT a FROM b; DELETE FROM b",
        "EXPLAIN ANALYZE DELETE FROM a",
        "TRUNCATE a",
        "CREATE TABLE a (b int)",
        "CALL charge(1)",
        "/* note */ SELECT a FROM b",
        b"SELECT 1",
    ],
)
def test_what_may_write(sql: object):
    assert writes(sql)


def lag() -> Lag:
    return Lag(("a", "b"), max_lag=10)


def test_a_replica_is_fresh_while_it_has_what_the_primary_had_within_the_bound():
    known = lag()
    for second in range(31):
        known.primary_said(float(second), 1000 + second)
    known.replica_said("a", Answer(30.0, 1030))
    known.replica_said("b", Answer(30.0, 1020))
    assert known.fresh(30.1) == ["a", "b"]
    known.replica_said("b", Answer(30.0, 1019))
    assert known.fresh(30.1) == ["a"]
    assert known.why_not("b", 30.1) == "it is more than 10 s behind the primary"


def test_an_idle_primary_makes_nobody_late():
    known = lag()
    for second in range(100):
        known.primary_said(float(second), 1000)
    known.replica_said("a", Answer(99.0, 1000))
    assert known.fresh(99.1) == ["a"]


def test_a_replica_that_was_cut_off_grows_late():
    known = lag()
    known.primary_said(0.0, 1000)
    for second in range(1, 13):
        known.primary_said(float(second), 1100)
        known.replica_said("a", Answer(float(second), 1000))
        assert known.fresh(second + 0.1) == (["a"] if second <= 10 else [])


def test_silence_and_promotion():
    known = lag()
    known.primary_said(0.0, 1000)
    assert known.why_not("a", 0.0) == "it does not answer"
    known.replica_said("a", Answer(0.0, 1000))
    assert known.fresh(1.0) == ["a"]
    assert known.fresh(1.01) == []
    known.replica_said("a", Answer(2.0, None))
    assert known.why_not("a", 2.0) == "it is no replica any more"


def test_replicas_are_read_from_while_the_primary_is_silent():
    known = lag()
    known.primary_said(0.0, 1000)
    known.replica_said("a", Answer(60.0, 1000))
    assert known.fresh(60.1) == ["a"]


def test_a_position_must_be_reached():
    known = lag()
    known.primary_said(0.0, 1000)
    known.replica_said("a", Answer(0.0, 1000))
    known.replica_said("b", Answer(0.0, 990))
    assert known.fresh(0.1, 995) == ["a"]
    assert not known.all_passed(995)
    assert known.all_passed(990)


def test_a_primary_that_was_restored_starts_anew():
    known = lag()
    known.primary_said(0.0, 9000)
    known.primary_said(1.0, 1000)
    known.replica_said("a", Answer(1.0, 1000))
    assert known.fresh(1.1) == ["a"]


def test_the_least_busy_replica_is_read_from():
    queries = Queries()
    assert queries.least_busy(["one", "two"]) == ["one", "two"]
    with queries.count("one"):
        assert queries.least_busy(["one", "two"]) == ["two", "one"]
    assert queries.least_busy(["one", "two"]) == ["one", "two"]


def test_the_primary_helps_out_where_the_replica_has_more_than_its_share():
    queries = Queries()
    with queries.count("one"):
        assert queries.least_busy(["one"]) == ["one"]
        with queries.count("one"):
            assert queries.least_busy(["one"]) == []
            with queries.count("default"):
                assert queries.least_busy(["one"]) == ["one"]
    assert queries.least_busy([]) == []


def test_what_a_session_is_set_to_keeps_the_request_on_the_primary():
    # A tenant or role that is set on one connection is not set on another.
    assert writes("SET app.tenant = '7'")
    assert writes("RESET ROLE")
