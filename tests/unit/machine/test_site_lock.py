"""The lock over the whole site."""

from __future__ import annotations

import fcntl
import json
import os
import threading
import time

from espalier_machine.release import site_lock
from espalier_machine.release.errors import Busy
from espalier_machine.release.site_lock import hold

from .fakes import archive, run_json


class Holder:
    """A leader of a release from elsewhere: `release hold` with pipes to it."""

    def __init__(self, machine, what="switch", by="anna@laptop"):
        """Begin to hold."""
        machine.by = by
        reader, self.writer = os.pipe()
        self.said, self.error = [], None

        def run():
            with os.fdopen(reader, "rb", buffering=0) as beats:
                try:
                    hold(machine, what, beats, self.said.append)
                except Busy as error:
                    self.error = error

        self.thread = threading.Thread(target=run, daemon=True)
        self.thread.start()
        deadline = time.monotonic() + 10
        while not (self.said or self.error) and time.monotonic() < deadline:
            time.sleep(0.01)

    @property
    def answer(self):
        """What it was told."""
        return json.loads(self.said[0])

    def beat(self, line):
        """Say what is being done."""
        os.write(self.writer, f"{line}\n".encode())

    def end(self):
        """Hang up."""
        os.close(self.writer)
        self.thread.join(10)
        assert not self.thread.is_alive()


def test_only_what_belongs_to_the_site_s_release_runs_meanwhile(machine, tmp_path, capsys):
    one = archive(tmp_path / "one.tar.gz")
    holder = Holder(machine)
    assert holder.answer["cut_off"] is None
    status, said = run_json(capsys, "deploy", str(one))
    assert status == 3
    assert "anna@laptop, since 20" in said["error"]
    assert run_json(capsys, "--token", holder.answer["token"], "deploy", str(one))[0] == 0
    status, said = run_json(capsys, "status")
    assert (status, said["site_lock"]["by"]) == (0, "anna@laptop")
    assert "token" not in said["site_lock"]
    assert Holder(machine, by="bert").error.holder["by"] == "anna@laptop"
    holder.end()
    assert run_json(capsys, "deploy", str(one))[0] == 0


def test_leader_that_was_cut_off_is_spoken_of_and_holds_nobody_up(machine):
    first = Holder(machine)
    first.beat("switch app2")
    time.sleep(0.2)
    first.end()
    second = Holder(machine, by="bert")
    assert second.answer["cut_off"]["by"] == "anna@laptop"
    assert second.answer["cut_off"]["what"] == "switch app2"
    second.beat("done")
    second.thread.join(10)
    assert not second.thread.is_alive()
    third = Holder(machine)
    assert third.answer["cut_off"] is None
    third.end()


def test_silent_leader_holds_nobody_up(machine, monkeypatch):
    monkeypatch.setattr(site_lock, "HOLD_SILENCE", 0.2)
    first = Holder(machine)
    first.thread.join(10)
    assert not first.thread.is_alive()
    assert Holder(machine).answer["cut_off"]["by"] == "anna@laptop"


def test_command_that_belongs_to_the_release_is_never_refused_between_two_heartbeats(machine):
    holder = Holder(machine)
    stopped = threading.Event()

    def beat():
        for number in range(100_000):
            if stopped.is_set():
                return
            holder.beat(f"step {'x' * (number % 50)}")

    beating = threading.Thread(target=beat, daemon=True)
    beating.start()
    try:
        for _ in range(3_000):
            site_lock.check_site_lock(machine, holder.answer["token"])
    finally:
        stopped.set()
        beating.join()
    holder.end()


def test_look_at_the_lock_does_not_refuse_a_release(machine):
    first = Holder(machine)
    first.end()
    with open(machine.site_lock_file) as looking:  # as `release status` does
        fcntl.flock(looking, fcntl.LOCK_SH)
        threading.Timer(0.3, fcntl.flock, (looking, fcntl.LOCK_UN)).start()
        second = Holder(machine, by="bert")
    assert second.error is None
    second.end()
