"""The values at which rules fire, in one place, each with its source.

"[K]" is a starting value of the notes on this method; "Trials" is one that was reasoned, and that
trials on machines of the lab calibrate. Shares are of 1, times seconds.
"""

from __future__ import annotations

# A part: projected to what the site answers at most. Trials.
STRAINED = 0.70
# A part that no other cause can be named beside. Trials; [K] has 0.85 for the application.
FULL = 0.85
# Naming one part: its probability to be the lowest, and how far the next one is. [K]
CERTAIN = 0.80
MARGIN = 1.15
# A cause that holds threads for most of their time: strong enough to go before a processor. Trials
STRONG = 0.50
# What is cheap and specific (an index, a view, a pool's size) goes before hardware from here on.
REASON_GAIN = 1.15  # Trials
# Another change is named from here on: less is nothing that a person would see.
WORTH_NAMING = 1.05
# A bootstrap knows nothing of what was not measured.
MOST_CERTAIN = 0.99
# A site stops below its lowest bound: at this share of it where its limit was not met, at the
# least of the two where it was met much earlier. Trials
USUAL_EFFICIENCY = 0.85
LEAST_EFFICIENCY = 0.60
# Response time that no part explains. [K]
UNEXPLAINED = 0.25
# A cause has to take that much of the response. Trials.
CAUSE_SHARE = 0.25
# Where visitors do not suffer, a cause has to cost them that much, too. Trials.
CAUSE_SECONDS = 0.10
# Visitors suffer: p95 beyond three times the quietest [K], and beyond what anyone notices.
SLOWER = 3.0
NOTICED = 0.20
# ... or beyond this in any case. Trials.
SLOW = 1.0
ERRORS = 0.01  # [K]

STEAL = 0.10  # share of a machine's cores. [K]
# Share of time that a machine is held back. A small quota holds back for a tenth of it at half
# load, as processes use it up in bursts. Trials
THROTTLED = 0.40

# gunicorn's processes share requests unevenly: threads that are held 60% can have a queue of
# seconds in front. [K], and lessons of trials
QUEUE_SHARE = 0.20
THREADS_HELD = 0.90
LONG_QUEUE_SHARE = 0.50
THREADS_HELD_UNEVENLY = 0.50

THREADS_MOST = 32  # in one process: beyond it they wait for the interpreter's lock. Trials
THREADS_SPARE = 1.2  # times those that the next bound needs. Trials

PROCESS_FULL = 0.85  # of one core. [K]: "about one core each"
CONNECTIONS_MOST = 0.80  # of max_connections. [K]
RESERVED = 3  # of them for the superuser: PostgreSQL's superuser_reserved_connections
SESSIONS_A_REQUEST = 0.5  # [K]: "about one"; pages without a query lower it
CONNECTING_SHARE = 0.10  # of the response. Trials

POOL_CLIENTS_WAITING = 0.5  # mean. [K]: "above 0 for long"
POOL_WAIT_SHARE = 0.15  # of the response. Trials
POOL_TOO_LARGE = 2.0  # times what the kit sets for the cores. Trials
BACKENDS_A_CORE = 4.0  # [K]

QUERY_SHARE = 0.50  # of the database's time. [K]
INDEX_SAVES = 0.50  # of the planner's cost. [K], as dexter asks
CALLS_A_REQUEST = 20.0  # [K]
CALL_MEAN = 0.002  # [K]
VIEW_SHARE = 0.30  # of the time of all views. Trials
QUERIES_LEFT = 4.0  # of a view whose N+1 is mended: two or three with a join or an IN. Trials
DATABASE_MATTERS = 0.30  # of the response. Trials
READS_SHARE = 0.50  # [K]: "mostly reads"

LOCK_WAITS = 0.10  # of active sessions. [K]
LOCK_SESSIONS = 0.2  # mean sessions: fewer is noise. Trials
SYNC_WAITS = 0.25  # of active sessions. Trials
SYNC_SLOW = 0.010  # of one fsync; a disk of a VPS takes 0.1 to 2 ms. Trials
DISK_WAITS = 0.20  # of active sessions. Trials
HIT_RATIO = 0.99  # [K]; fires nothing alone
IO_SOME = 0.10  # PSI. Trials

MEMORY_FULL = 0.05  # PSI. [K]
SWAPPED_IN = 20.0  # pages/s. Trials
REFAULTS = 100.0  # pages/s. Trials
MAJOR_FAULTS = 20.0  # per second. Trials
LIMIT_HITS = 1.0  # per second. Trials

ROUND_TRIP = 0.001  # seconds; in a private network 0.1 to 0.5 ms. Trials
RETRANSMITTED = 0.005  # share of segments; healthy is below 0.0001. Trials
HEALTH_CHECKS = 1.0  # round trips that check a kept connection before a request (Django's)
NETWORK_SHARE = 0.20  # of the response, between Django and its database. Trials

VISITORS_SHARE = 0.50  # of the response, in nginx. Trials

EVICTED = 1.0  # per second. Trials
REDIS_LARGEST = 0.25  # of a machine's memory, where other services are on it. Trials
MISSED = 0.10  # of what was asked of the cache, where it evicts as well. Trials

REPLAY_HITS = 0.40  # of a path's requests. [K]
REPLAY_NEARLY = 0.80  # of what the longest time saves: with a shorter one pages are fresher. Trials
REPLAY_SHARE = 0.40  # of the time of Django and database. Trials

QUEUE_GROWS = 1.5  # times, from the first third of the recording to the last. Trials
QUEUE_LEAST = 20.0  # jobs. Trials

# "You could go smaller": days rather than minutes, and everything nearly idle. [K]
SMALLER_SECONDS = 3600.0
SMALLER = 0.15
