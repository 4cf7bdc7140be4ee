"""The module that tells what a first run could stumble over."""

from __future__ import annotations

import fcntl
import os
import socket
from pathlib import Path

from plugins.modules import machine_state as state

TCP = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 111 1 0
   1: 0100007F:1538 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 222 1 0
   2: 0100007F:0050 0100007F:9999 01 00000000:00000000 00:00000000 00000000     0        0 333 1 0
"""
LOCKS = """\
1: POSIX  ADVISORY  WRITE 812 fd:01:131 0 EOF
2: POSIX  ADVISORY  READ 900 fd:01:132 0 EOF
2: -> POSIX  ADVISORY  WRITE 901 fd:01:131 0 EOF
"""


def test_sockets_that_listen_on_some_ports() -> None:
    assert state.listening_sockets(TCP, [80, 443]) == {"111": 80}
    assert state.listening_sockets(TCP, [80, 5432]) == {"111": 80, "222": 5432}
    assert state.listening_sockets("", [80]) == {}


def test_ports_that_other_machines_could_reach() -> None:
    assert state.exposed_ports(TCP) == [0x50]
    local = ("00000000000000000000000001000000", "0000000000000000FFFF00000100007F")
    six = "".join(f" 0: {where}:0019 0:0 0A\n" for where in (*local, "0" * 32))
    assert state.exposed_ports(f"head\n{six}") == [0x19]


def test_who_holds_a_lock_and_not_who_waits_for_it() -> None:
    assert state.lock_holders(LOCKS, {131}) == [812]
    assert state.lock_holders(LOCKS, {901}) == []


def test_memory() -> None:
    assert state.memory_mb("MemTotal: 1 kB\nSwapTotal:      2097152 kB\n", "SwapTotal") == 2048
    assert state.memory_mb("", "SwapTotal") == 0


def test_this_process_is_found_by_its_socket_and_its_lock(tmp_path: Path) -> None:
    own = Path("/proc/self/comm").read_text().strip()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        assert state.listeners([port]) == {str(port): [own]}
    assert state.listeners([port]) == {}
    with (tmp_path / "lock").open("w") as lock:
        fcntl.lockf(lock, fcntl.LOCK_EX)
        held = state.lock_holders(state.read("/proc/locks"), {os.fstat(lock.fileno()).st_ino})
    assert os.getpid() in held
