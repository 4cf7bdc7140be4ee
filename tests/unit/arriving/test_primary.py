"""What is sent to the primary's machine."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from espalier.arriving.primary import Primary
from espalier.inventory.site import SiteError


@pytest.fixture
def primary() -> Primary:
    """A machine that is here."""
    remote = SimpleNamespace(
        site=SimpleNamespace(variables={"db1": {}}),
        command=lambda machine, options: ["sh", "-c"],
        environment={},
    )
    return Primary(remote, "db1")  # type: ignore[arg-type]


def test_dump_that_cannot_be_read_to_its_end_is_not_taken_for_whole(primary: Primary) -> None:
    def cut_off() -> Iterator[bytes]:
        yield b"the beginning"
        raise EOFError("Compressed file ended before the end-of-stream marker was reached")

    with pytest.raises(SiteError, match="sent to db1 cannot be read: Compressed file ended"):
        primary.send(["cat"], cut_off())


def test_input_that_another_machine_breaks_off_is_told(primary: Primary) -> None:
    def broken_off() -> Iterator[bytes]:
        yield b"the beginning"
        raise SiteError("vps1: Connection reset")

    with pytest.raises(SiteError, match="sent to db1 cannot be read: vps1: Connection reset"):
        primary.send(["cat"], broken_off())


def test_signs_of_life_are_sent_until_the_command_ends(
    primary: Primary, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("espalier.arriving.job.HEARTBEAT", 0.1)
    script = "read -r asked && read -r beat && read -r beat && echo $asked"
    status, out, _ = primary.send(["timeout", "10", "sh", "-c", script], [b"look\n"], beats=True)
    assert (status, out) == (0, "look\n")


def test_interruption_ends_the_connection(primary: Primary, tmp_path: Path) -> None:
    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 1)
    script = f"touch {tmp_path}/began; cat; touch {tmp_path}/ended"
    try:
        with pytest.raises(KeyboardInterrupt):
            primary.send(["sh", "-c", script], [b"look\n"], beats=True)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert (tmp_path / "began").exists()
    deadline = time.monotonic() + 10
    while not (tmp_path / "ended").exists():
        assert time.monotonic() < deadline, "the machine still has an input"
        time.sleep(0.05)


def test_import_that_still_ends_is_waited_for_and_then_refused(
    primary: Primary, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(primary, "send", lambda words, content: (3, "", ""))
    with pytest.raises(SiteError, match="still runs") as refused, primary.prepared():
        pass
    assert refused.value.status == 3
