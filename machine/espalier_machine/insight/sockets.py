"""What `ss` tells: round trips to other machines, and connections that wait at Django's socket."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Iterable
from typing import Any

EVERY = 5.0  # seconds
_PATIENCE = 2  # seconds
_RTT = re.compile(r"\brtt:([\d.]+)/")
_RETRANS = re.compile(r"\bretrans:\d+/(\d+)")
_SEGMENTS = re.compile(r"\bsegs_out:(\d+)")


def address_of(end: str) -> str:
    """The address of `10.0.0.1:443`, `[fd00::1]:443`, or `[::ffff:10.0.0.1]:443`."""
    host = end.rpartition(":")[0].strip("[]").partition("%")[0]
    return host.removeprefix("::ffff:") if "." in host else host


def connections(text: str) -> list[tuple[str, str, float | None, int, int]]:
    """From `ss -tinH`: both ends, the smoothed RTT in seconds, segments sent again, and sent."""
    found = []
    ends: list[str] = []
    for line in text.splitlines():
        if line[:1].strip():  # a connection; what is told of it is indented below
            ends = line.split()[-2:]
        elif len(ends) == 2:
            rtt, again, sent = _RTT.search(line), _RETRANS.search(line), _SEGMENTS.search(line)
            found.append(
                (
                    ends[0],
                    ends[1],
                    float(rtt[1]) / 1000 if rtt else None,
                    int(again[1]) if again else 0,
                    int(sent[1]) if sent else 0,
                )
            )
            ends = []
    return found


def median(numbers: list[float]) -> float:
    """The middle one, of an even number the upper; the module `statistics` takes a MiB."""
    return sorted(numbers)[len(numbers) // 2]


def waiting(text: str, directory: str) -> float | None:
    """From `ss -lxH`: connections that wait at the sockets in a directory; None without any."""
    found = []
    for line in text.splitlines():
        words = line.split()
        if len(words) >= 5 and words[4].startswith(f"{directory}/web") and words[2].isdigit():
            found.append(int(words[2]))
    return float(sum(found)) if found else None


class Sockets:
    """What ss told last; asked every five seconds, as it is a process of its own."""

    def __init__(self, peers: Iterable[str], directory: str) -> None:
        """Take the peers' addresses, and where Django's sockets are ("" where it is not here)."""
        self._peers = set(peers)
        self._directory = directory
        self._last: dict[tuple[str, str], tuple[int, int]] = {}
        self._asked = 0.0
        self._told: dict[str, Any] = {}

    def sample(self) -> dict[str, Any]:
        """Parts of recording.Network and `listen_queue`, as asked last."""
        now = time.monotonic()
        if now - self._asked >= EVERY:
            elapsed = now - self._asked if self._asked else 0.0
            self._asked = now
            self._told = {"network": self._of_peers(elapsed)} if self._peers else {}
            if self._directory:
                self._told["listen_queue"] = waiting(_ss("-lxH"), self._directory)
        return self._told

    def _of_peers(self, elapsed: float) -> dict[str, dict[str, float]]:
        chosen = " or ".join(f"dst [{a}]" if ":" in a else f"dst {a}" for a in sorted(self._peers))
        text = _ss("-tinH", "state", "established", f"( {chosen} )")
        return self.told(connections(text), elapsed)

    def told(
        self, found: list[tuple[str, str, float | None, int, int]], elapsed: float
    ) -> dict[str, dict[str, float]]:
        """By peer, of its connections: the median RTT, and segments a second since last time."""
        trips: dict[str, list[float]] = {}
        again: dict[str, float] = {}
        sent: dict[str, float] = {}
        now = {}
        for local, remote, rtt, retransmitted, segments in found:
            peer = address_of(remote)
            if peer not in self._peers:
                continue
            now[local, remote] = (retransmitted, segments)
            if rtt is not None:
                trips.setdefault(peer, []).append(rtt)
            if elapsed:
                before = self._last.get((local, remote), (0, 0))
                again[peer] = again.get(peer, 0) + max(0, retransmitted - before[0]) / elapsed
                sent[peer] = sent.get(peer, 0) + max(0, segments - before[1]) / elapsed
        self._last = now
        return {
            "round_trips": {peer: median(found) for peer, found in trips.items()},
            "peers_retransmitted": again,
            "peers_segments": sent,
        }


def _ss(*arguments: str) -> str:
    """What ss prints; "" where it fails."""
    try:
        done = subprocess.run(
            ["ss", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            errors="replace",
            timeout=_PATIENCE,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout
