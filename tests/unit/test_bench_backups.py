"""Figures of bench/backups.py, from what was seen."""

from __future__ import annotations

import pytest

from bench.backup_figures import closed, rate, ratios, window

PGBENCH = """\
number of failed transactions: {failed}
latency average = 2.1 ms
tps = 1893.512345 (without initial connection time)
"""


def test_rate_of_pgbench() -> None:
    assert rate(PGBENCH.format(failed="0 (0.000%)")) == 1893.512345
    with pytest.raises(ValueError, match="failures"):
        rate(PGBENCH.format(failed="3 (0.100%)"))
    with pytest.raises(ValueError, match="counted nothing"):
        rate("pgbench: error: connection to server failed")


def test_ratio_of_pairs() -> None:
    assert ratios([(100, 90), (100, 110), (200, 190)]) == "0.95 (0.90 to 1.10)"


def test_rows_that_are_not_at_the_destination() -> None:
    # A row a second, ten positions long; a segment of thirty comes a second after its end.
    rows = [(float(second), second * 10) for second in range(1, 9)]
    arrivals = [(4.0, 30), (7.0, 60)]
    # At 4 the row of 4 is new; at 6 it is two seconds old; at 8 the row of 7 is one.
    assert window(rows, arrivals, step=1) == [0.0, 1.0, 2.0, 0.0, 1.0]
    assert window(rows, [], step=1) == []


def test_how_long_a_site_is_closed() -> None:
    visits = [(0.0, True), (1.0, False), (2.0, True), (3.0, False), (4.0, True), (5.0, True)]
    assert closed(visits) == (1.0, 4.0)
    with pytest.raises(ValueError, match="never closed"):
        closed([(0.0, True)])
    with pytest.raises(ValueError, match="does not answer"):
        closed([(0.0, True), (1.0, False)])
