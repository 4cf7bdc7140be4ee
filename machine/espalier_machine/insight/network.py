"""What went over the network, and what was sent again."""

from __future__ import annotations

from pathlib import Path

from espalier_machine.insight.files import Differences, Kept

_MIB = 1 << 20


def traffic(text: str) -> tuple[int, int]:
    """Bytes received and sent, from /proc/net/dev, without the machine's talk with itself."""
    received = sent = 0
    for line in text.splitlines()[2:]:
        name, _, rest = line.partition(":")
        words = rest.split()
        if name.strip() != "lo" and len(words) >= 9:
            received, sent = received + int(words[0]), sent + int(words[8])
    return received, sent


def segments(text: str) -> tuple[int, int]:
    """Segments of TCP sent, and sent again, from /proc/net/snmp."""
    lines = [line.split() for line in text.splitlines() if line.startswith("Tcp:")]
    if len(lines) < 2:
        return 0, 0
    found = dict(zip(lines[0][1:], lines[1][1:], strict=False))
    return int(found.get("OutSegs", 0)), int(found.get("RetransSegs", 0))


class Network:
    """The machine's network."""

    def __init__(self, proc: Path = Path("/proc")) -> None:
        """Take the directory of /proc."""
        self._device, self._snmp = Kept(proc / "net/dev"), Kept(proc / "net/snmp")
        self._differences = Differences()

    def sample(self, dt: float) -> dict[str, float]:
        """recording.Network, without what is told of single peers."""
        received, sent = traffic(self._device.read())
        segments_sent, again = segments(self._snmp.read())
        grown = self._differences(r=received, s=sent, segments=segments_sent, again=again)
        return {
            "received_mb": grown["r"] / _MIB / dt,
            "sent_mb": grown["s"] / _MIB / dt,
            "segments": grown["segments"] / dt,
            "retransmitted": grown["again"] / dt,
        }
