"""Which services wait for their next start, from the files of a made-up machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from espalier_machine.release.sandboxes import waiting_for_sandbox

FILES = {
    "run/nginx.pid": "10\n",
    "etc/systemd/system/nginx.service.d/espalier.conf": "[Service]\nNoNewPrivileges=yes\n",
    "run/postgresql/17-main.pid": "20\n",
    "etc/systemd/system/postgresql@17-main.service.d/sandbox.conf": "NoNewPrivileges=yes\n",
    "proc/10/status": "Name:\tnginx\nNoNewPrivs:\t0\nSeccomp:\t0\n",
    "proc/20/status": "Name:\tpostgres\nNoNewPrivs:\t1\nSeccomp:\t2\n",
}


@pytest.mark.parametrize(
    ("others", "waiting"),
    [
        ({}, ["nginx.service"]),
        (
            {"proc/20/status": "NoNewPrivs:\t0\n"},
            ["nginx.service", "postgresql@17-main.service"],
        ),
        ({"proc/10/status": "NoNewPrivs:\t1\n"}, []),
        # Nothing is claimed of a machine of an earlier version, or of a process that has ended.
        ({"etc/systemd/system/nginx.service.d/espalier.conf": "OOMScoreAdjust=-500\n"}, []),
        ({"run/nginx.pid": "11\n"}, []),
        ({"run/nginx.pid": ""}, []),
    ],
)
def test_a_service_that_was_started_before_waits(
    tmp_path: Path, others: dict[str, str], waiting: list[str]
) -> None:
    for name, text in (FILES | others).items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert waiting_for_sandbox(tmp_path) == waiting


def test_a_machine_without_them_has_none(tmp_path: Path) -> None:
    assert waiting_for_sandbox(tmp_path) == []
