"""What a new version may change on a machine of the version before, with literal machines."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from espalier.load.takeover import Change, State, changes_in, restarted, unexplained

OLD = State(
    files={
        "/etc/nginx/nginx.conf": ["0o100644", 0, 0, "aa"],
        "/etc/hosts": ["0o100644", 0, 0, "1"],
    },
    services={"nginx.service": "10", "orchard-web@blue.service": "20"},
    live="first",
)
NEW = State(
    files={
        "/etc/nginx/nginx.conf": ["0o100644", 0, 0, "bb"],
        "/etc/hosts": ["0o100644", 0, 0, "1"],
        "/usr/local/sbin/release": ["0o100755", 0, 0, "cc"],
    },
    services={"nginx.service": "10", "orchard-web@blue.service": "21"},
    live="first",
)


def change(path: str, action: str = "ansible.builtin.command", *files: str) -> Change:
    return Change("vps1", "A task", path, action, files)


@pytest.mark.parametrize(
    ("made", "wrong"),
    [
        (change("/kit/roles/nginx/tasks/main.yml", "files", "/etc/nginx/nginx.conf"), ""),
        (change("/kit/roles/django/tasks/main.yml", "files", "/usr/local/sbin/release"), ""),
        (change("/kit/roles/nginx/handlers/main.yml", "ansible.builtin.systemd_service"), ""),
        (change("/kit/playbooks/retire.yml:20"), ""),
        (change("/kit/roles/a/tasks/main.yml", "guarded_files", "/etc/nginx/nginx.conf"), ""),
        (
            change("/kit/roles/a/tasks/main.yml", "guarded_files"),
            "changed something (guarded_files) though no file's text asked for it",
        ),
        (
            change(
                "/kit/roles/base/tasks/main.yml", "files", "/etc/hosts", "/etc/nginx/nginx.conf"
            ),
            "wrote /etc/hosts, which did not change",
        ),
        (
            change("/kit/roles/redis/tasks/main.yml", "ansible.builtin.apt"),
            "changed something (ansible.builtin.apt) though no file's text asked for it",
        ),
        (
            change("/kit/roles/django/tasks/switch.yml"),
            "changed something (ansible.builtin.command) though no file's text asked for it",
        ),
    ],
)
def test_change_is_explained_by_what_the_machine_has_now(made: Change, wrong: str) -> None:
    assert unexplained(made, OLD, NEW) == wrong


def test_packages_that_were_not_there_explain_that_some_were_installed() -> None:
    made = change("/kit/roles/base/tasks/main.yml", "ansible.builtin.apt")
    more = dataclasses.replace(NEW, packages=frozenset({"tzdata-legacy"}))
    assert unexplained(made, OLD, more) == ""
    assert unexplained(made, more, more)


def test_another_release_explains_what_django_s_tasks_do() -> None:
    released = State(NEW.files, NEW.services, live="second")
    assert unexplained(change("/kit/roles/django/tasks/switch.yml"), OLD, released) == ""


def test_only_django_may_run_in_another_process() -> None:
    assert restarted(OLD, NEW, "orchard") == []
    again = State(NEW.files, NEW.services | {"nginx.service": "11"}, "first")
    assert restarted(OLD, again, "orchard") == ["nginx.service"]
    # Renamed or retired: another one has taken its place.
    assert restarted(OLD, State(NEW.files, {}, "first"), "orchard") == []


def test_changes_are_read_from_a_run() -> None:
    done: dict[str, Any] = {"action": "files", "changed": True, "changed_paths": ["/etc/hosts"]}
    task = {"name": "base : Configure", "path": "/kit/roles/base/tasks/main.yml:3"}
    hosts = {"vps1": done, "vps2": {"action": "files", "changed": False}}
    run = {"plays": [{"tasks": [{"task": task, "hosts": hosts}]}]}
    assert changes_in(run) == [
        Change(
            "vps1",
            "base : Configure",
            "/kit/roles/base/tasks/main.yml:3",
            "files",
            ("/etc/hosts",),
        )
    ]


def test_unit_that_was_started_is_explained_by_its_file() -> None:
    path = "/kit/roles/alerts/tasks/main.yml:9"
    done = {"action": "ansible.builtin.systemd_service", "changed": True, "name": "a.timer"}
    task = {"name": "alerts : Run", "path": path}
    run = {"plays": [{"tasks": [{"task": task, "hosts": {"vps1": done}}]}]}
    (started,) = changes_in(run)
    assert started.files == ("/etc/systemd/system/a.timer",)
    assert (
        unexplained(started, OLD, NEW) == "wrote /etc/systemd/system/a.timer, which did not change"
    )
    with_unit = dataclasses.replace(
        NEW, files={**NEW.files, started.files[0]: ["0o100644", 0, 0, "d"]}
    )
    assert unexplained(started, OLD, with_unit) == ""


def test_drop_in_explains_that_its_unit_was_started() -> None:
    path = "/etc/systemd/system/haproxy"
    made = change("/kit/roles/tunnel/tasks/main.yml", "ansible.builtin.systemd_service", path)
    assert unexplained(made, OLD, NEW) == f"wrote {path}, which did not change"
    more = dataclasses.replace(NEW, files={**NEW.files, f"{path}.service.d/espalier.conf": ["a"]})
    assert unexplained(made, OLD, more) == ""


def test_certificate_that_was_not_there_explains_that_one_was_made() -> None:
    made = change("/kit/roles/base/tasks/main.yml", "machine_certificate")
    assert "no file's text asked for it" in unexplained(made, OLD, NEW)
    path = "/etc/espalier/tls/4f2a/machine.crt"
    more = dataclasses.replace(NEW, files={**NEW.files, path: ["a"]})
    assert unexplained(made, OLD, more) == ""


def test_uploads_may_be_restarted_only_by_another_unit() -> None:
    unit = "espalier-media.service"
    before = dataclasses.replace(OLD, services={unit: "1"})
    after = dataclasses.replace(NEW, services={unit: "2"})
    assert restarted(before, after, "orchard") == [unit]
    more = dataclasses.replace(
        after, files={**NEW.files, f"/etc/systemd/system/{unit}": ["another text"]}
    )
    assert restarted(before, more, "orchard") == []
