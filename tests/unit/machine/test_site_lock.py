"""The lock over the whole site."""

from __future__ import annotations

import fcntl
import os
import threading
import time

from espalier_machine.release import locks, site_lock

from .fakes import Holder, archive, run_json


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


def test_reader_of_a_half_written_heartbeat_never_finds_another_token(machine, monkeypatch):
    holder = Holder(machine)
    token, write, found = holder.answer["token"], os.pwrite, []

    def write_slowly(file, data, offset):
        for cut in range(len(data) + 1):
            write(file, data[:cut], offset)
            found.append(locks.lock_body(machine.site_lock_file))

    monkeypatch.setattr(os, "pwrite", write_slowly)
    for length in (9, 10, 8, 7, 30, 0):
        holder.beat(f"step {'x' * length}")
    holder.end()
    assert found[-1]["what"] == "step "
    assert {body["token"] for body in found if body} == {token}


def test_look_at_the_lock_does_not_refuse_a_release(machine):
    first = Holder(machine)
    first.end()
    with open(machine.site_lock_file) as looking:  # as `release status` does
        fcntl.flock(looking, fcntl.LOCK_SH)
        threading.Timer(0.3, fcntl.flock, (looking, fcntl.LOCK_UN)).start()
        second = Holder(machine, by="bert")
    assert second.error is None
    second.end()


def test_step_whose_lock_is_lost_is_refused(machine, tmp_path, capsys):
    one = archive(tmp_path / "one.tar.gz")
    holder = Holder(machine)
    holder.end()
    status, said = run_json(capsys, "--token", holder.answer["token"], "deploy", str(one))
    assert (status, said["step"]) == (3, "lock")
    assert said["error"].startswith("the lock over the site was lost, as the connection to this")
    assert machine.live() is None
    assert run_json(capsys, "deploy", str(one))[0] == 0, "typed here, it belongs to no lock"


def test_lock_that_ends_while_a_step_waits_for_the_machine_refuses_the_step(
    machine, tmp_path, capsys, monkeypatch
):
    one = archive(tmp_path / "one.tar.gz")
    holder = Holder(machine)
    acquire = locks.acquire

    def acquire_late(file):
        holder.end()
        return acquire(file)

    monkeypatch.setattr(locks, "acquire", acquire_late)
    status, said = run_json(capsys, "--token", holder.answer["token"], "deploy", str(one))
    assert (status, said["step"]) == (3, "lock")


def test_lost_lock_is_the_same_one_when_it_is_taken_again(machine):
    first = Holder(machine)
    token = first.answer["token"]
    first.end()
    again = Holder(machine, token=token)
    assert (again.answer["token"], again.answer["cut_off"]["token"]) == (token, token)
    again.end()
    other = Holder(machine, by="bert")
    other.beat("done")
    other.thread.join(10)
    late = Holder(machine, token=token)
    assert late.answer["token"] != token
    assert late.answer["cut_off"] is None
    late.end()


def test_lock_that_was_withdrawn_leaves_no_trace(machine):
    first = Holder(machine)
    first.end()
    refused_elsewhere = Holder(machine, by="bert")
    refused_elsewhere.beat("withdrawn")
    refused_elsewhere.thread.join(10)
    third = Holder(machine)
    assert third.answer["cut_off"]["token"] == first.answer["token"]
    third.beat("done")
    third.thread.join(10)
    nothing_before = Holder(machine)
    nothing_before.beat("withdrawn")
    nothing_before.thread.join(10)
    assert Holder(machine).answer["cut_off"] is None
