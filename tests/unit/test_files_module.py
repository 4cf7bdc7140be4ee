"""The module that writes many files in one round trip, run as Ansible runs it."""

from __future__ import annotations

import base64
import gzip
import json
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from espalier.environment import plain_environment

ROOT = Path(__file__).resolve().parents[2]


def run(arguments: dict[str, Any], *flags: str) -> tuple[dict[str, Any], str]:
    """Run the module on this machine; gives its result and all that Ansible printed."""
    ansible = str(Path(sys.executable).with_name("ansible"))
    python = f"ansible_python_interpreter={sys.executable}"
    done = subprocess.run(
        [
            *(ansible, "localhost", "-i", "localhost,", "-c", "local", "-e", python),
            *("-m", "files", "-a", json.dumps(arguments), *flags),
        ],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=plain_environment(ANSIBLE_CALLBACK_RESULT_FORMAT="json"),
    )
    printed = done.stdout + done.stderr
    start = done.stdout.index("=> ") + 3 if "=> " in done.stdout else 0
    return json.JSONDecoder().raw_decode(done.stdout, start)[0], printed


def test_writes_once_and_then_has_nothing_to_do(tmp_path: Path) -> None:
    arguments = {
        "directories": [{"path": f"{tmp_path}/a/b", "mode": "0700"}],
        "files": [{"path": f"{tmp_path}/c/d.conf", "content": "one\n", "mode": "0600"}],
    }
    first, _ = run(arguments)
    assert first["changed_paths"] == [f"{tmp_path}/a/b", f"{tmp_path}/c/d.conf"]
    assert (tmp_path / "c/d.conf").read_text() == "one\n"
    assert (tmp_path / "c/d.conf").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "a/b").stat().st_mode & 0o777 == 0o700
    assert run(arguments)[0]["changed"] is False


def test_check_mode_shows_the_difference_and_writes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "x.conf"
    path.write_text("before\n")
    arguments = {"files": [{"path": str(path), "content": "after\n"}]}
    result, printed = run(arguments, "--check", "--diff")
    assert result["changed"] is True
    assert "-before" in printed and "+after" in printed
    assert path.read_text() == "before\n"


@pytest.mark.parametrize("compressed", [False, True])
def test_binary_file_is_written_as_it_is_and_only_its_size_and_hash_are_shown(
    tmp_path: Path, compressed: bool
) -> None:
    path, content = tmp_path / "x.pyz", b"PK\0\xff\r\n" + b"long" * 100
    path.write_bytes(b"\xfe")
    sent = base64.b64encode(gzip.compress(content) if compressed else content).decode()
    arguments = {"files": [{"path": str(path), "content_base64": sent, "gzip": compressed}]}
    result, printed = run(arguments, "--check", "--diff")
    assert result["changed"] is True
    digest = "3526adede5"
    assert f"+(binary, {len(content)} bytes, SHA-256 {digest}" in printed
    assert "-(binary, 1 bytes, SHA-256 " in printed
    assert "longlong" not in printed
    assert path.read_bytes() == b"\xfe"
    assert run(arguments)[0]["changed"] is True
    assert path.read_bytes() == content
    assert run(arguments)[0]["changed"] is False


def test_file_has_one_content(tmp_path: Path) -> None:
    both = {"path": f"{tmp_path}/x", "content": "a", "content_base64": "YQ=="}
    assert "mutually exclusive" in run({"files": [both]})[0]["msg"]


def test_invalid_file_is_not_put_in_place(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text("{}")
    validate = f"{sys.executable} -m json.tool %s"
    broken = {"files": [{"path": str(path), "content": "{", "validate": validate}]}
    result, _ = run(broken)
    assert "left as it is" in result["msg"]
    assert path.read_text() == "{}"
    sound = {"files": [{"path": str(path), "content": "[]", "validate": validate}]}
    assert run(sound)[0]["changed"] is True


def test_command_makes_a_file_once(tmp_path: Path) -> None:
    path = tmp_path / "key"
    made = {"files": [{"path": str(path), "made_by": f"echo $((40 + 2)) > {path}"}]}
    assert run(made, "--check")[0]["changed"] is True
    assert not path.exists()
    assert run(made)[0]["changed_paths"] == [str(path)]
    assert path.read_text() == "42\n"
    path.write_text("another")
    assert run(made)[0]["changed"] is False
    assert path.read_text() == "another"
    failing = {"files": [{"path": f"{tmp_path}/x", "made_by": "echo no ink >&2; exit 3"}]}
    assert run(failing)[0]["msg"] == f"{tmp_path}/x could not be made: no ink"


def test_secret_is_in_no_output(tmp_path: Path) -> None:
    secret = {"path": f"{tmp_path}/s", "content": "hunter22", "secret": True, "mode": "0600"}
    _, printed = run({"files": [secret]}, "--diff", "-vvv")
    assert (tmp_path / "s").read_text() == "hunter22"
    # The command line of this test itself is not part of what Ansible prints at -vvv.
    assert "hunter22" not in printed


def test_absent_removes_only_what_is_named(tmp_path: Path) -> None:
    (tmp_path / "old").write_text("")
    (tmp_path / "kept").write_text("")
    assert run({"absent": [f"{tmp_path}/old", f"{tmp_path}/never"]})[0]["changed_paths"] == [
        f"{tmp_path}/old"
    ]
    assert (tmp_path / "kept").exists()


@pytest.fixture
def mark() -> Iterator[str]:
    """A name to remember changed paths under, as no role has it."""
    name = f"test-{uuid.uuid4().hex}"
    yield name
    run({"applied": name})


@pytest.mark.skipif(os.geteuid() != 0, reason="marks are in /run, for root")
def test_change_is_reported_until_it_is_in_force(tmp_path: Path, mark: str) -> None:
    path = tmp_path / "x.conf"
    arguments = {"files": [{"path": str(path), "content": "one\n"}], "pending": mark}
    run(arguments, "--check")
    assert run(arguments)[0]["changed_paths"] == [str(path)]
    # The handler never came.
    again, _ = run(arguments)
    assert (again["changed"], again["changed_paths"]) == (True, [str(path)])
    assert run(arguments, "--check")[0]["changed"] is True
    run({"applied": mark}, "--check")
    assert run(arguments)[0]["changed"] is True
    assert run({"applied": mark})[0]["changed"] is False
    assert run(arguments)[0]["changed"] is False


@pytest.mark.skipif(os.geteuid() != 0, reason="marks are in /run, for root")
def test_change_before_a_failure_is_not_forgotten(tmp_path: Path, mark: str) -> None:
    sound = {"path": f"{tmp_path}/a.conf", "content": "one"}
    broken = {"path": f"{tmp_path}/b.conf", "content": "two", "validate": "false %s"}
    assert "left as it is" in run({"files": [sound, broken], "pending": mark})[0]["msg"]
    broken["validate"] = "true %s"
    assert run({"files": [sound, broken], "pending": mark})[0]["changed_paths"] == [
        f"{tmp_path}/b.conf",
        f"{tmp_path}/a.conf",
    ]
