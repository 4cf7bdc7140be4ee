"""What Ansible found, in findings."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import Any

import pytest
import yaml

from espalier import paths
from espalier.progress.results import Results, parse
from espalier.readiness.findings import Finding, as_json_object, failed, lines, note, ok
from espalier.readiness.judge import SUBJECTS, judge
from espalier.readiness.playbook import (
    PROJECT,
    REACH,
    SECRETS,
    SHARES,
    STATE,
    WISHES,
)

GIB = 1024**3
TOPOLOGY = {
    "services": {"pgbackrest": ["vps1"]},
    "machines": {
        "vps1": {
            "services": ["nginx", "django", "postgresql_primary"],
            "listens": {
                "nginx": [{"address": "*", "port": 80}, {"address": "*", "port": 443}],
                "django": [{"address": "web.sock", "port": 0}],
                "postgresql_primary": [{"address": "/run/postgresql", "port": 5432}],
            },
        }
    },
}
FACTS = {
    "distribution": "Debian",
    "distribution_version": "13",
    "distribution_release": "trixie",
    "clock": 1000.4,
}
STATE_FOUND = {
    "architecture": "x86_64",
    "python": "3.13.5",
    "swap_mb": 0,
    "root_free": 10 * GIB,
    "root_size": 20 * GIB,
    "listening": {},
    "exposed": {"22": ["sshd"], "80": ["nginx"]},
    "has_firewall": False,
    "apt_holders": [],
    "dpkg_interrupted": False,
    "has_locale": True,
    "clock_synchronized": "yes",
}
SHARES_FOUND = {
    "memory_mb": "1024",
    "share_mb": "512",
    "redis_mb": "0",
    "workers": "3",
    "threads": 4,
    "opened": [22, 80, 443],
    "closes": True,
    "recorded": [],
}
NOTES = [
    "source       directory . at 0123456789ab",
    "manage.py    manage.py (the only one)",
    "settings     shop.settings (manage.py line 10)",
    "note         celery.py has a Celery app; no worker is started for it",
]
GOOD: dict[str, dict[str, Any]] = {
    PROJECT: {"action": "project", "project_build": {"name": "shop", "notes": NOTES}},
    REACH: {"action": "machine_facts", "ansible_facts": FACTS},
    STATE: {"action": "machine_state", "state": STATE_FOUND},
    SHARES: {"action": "ansible.builtin.debug", "msg": SHARES_FOUND},
    WISHES: {"action": "ansible.builtin.debug", "msg": {"processes": {"worker": {"count": 2}}}},
}
READY = [
    ok("project", "shop: directory . at 0123456789ab, settings shop.settings"),
    note("project", "celery.py has a Celery app; no worker is started for it"),
    ok("ssh", "logs in", "vps1"),
    ok("sudo", "works as root, Python 3.13.5", "vps1"),
    ok("debian", "Debian 13 (trixie), amd64", "vps1"),
    ok("clock", "is right", "vps1"),
    ok("disk", "10.0 GiB free of 20 GiB", "vps1"),
    ok("apt", "is free", "vps1"),
    ok("locale", "C.UTF-8", "vps1"),
    ok(
        "memory",
        "1024 MiB; PostgreSQL may count on 512 MiB; Django answers with 3 processes of 4 threads, "
        "beside 2 of its own",
        "vps1",
    ),
    ok("ports", "nothing else listens on those of the site", "vps1"),
]


def results(tasks: dict[str, dict[str, Any]]) -> Results:
    """The results of tasks on the machine vps1, as Ansible's callback writes them."""
    duration = {"start": "1970-01-01T00:16:39Z", "end": "1970-01-01T00:16:40Z"}
    written = [
        {"task": {"name": name, "duration": duration}, "hosts": {"vps1": values}}
        for name, values in tasks.items()
    ]
    output = json.dumps({"plays": [{"tasks": written}]}, indent=4)
    return parse(f"  source       {{a line for people}}\n{output}\nand of another callback\n")


def found(**changed: dict[str, Any]) -> list[Finding]:
    """The findings, where some values differ from what is good: task's key -> its values."""
    tasks = deepcopy(GOOD)
    for name, key in (("facts", REACH), ("state", STATE), ("shares", SHARES)):
        of = {"facts": "ansible_facts", "state": "state", "shares": "msg"}[name]
        tasks[key][of].update(changed.get(name, {}))
    return judge(results(tasks), TOPOLOGY)


def refusal(action: str, sentence: str) -> dict[str, Any]:
    """A task that refuses something."""
    return {"action": action, "failed": True, "msg": f"{sentence} Nothing was changed."}


def test_machine_that_is_ready() -> None:
    assert judge(results(GOOD), TOPOLOGY) == READY


@pytest.mark.parametrize(
    ("changed", "finding"),
    [
        (
            {"state": {"root_free": 2 * GIB}},
            note(
                "disk",
                "2.0 GiB free of 20 GiB: little room for releases, uploads and the database",
            ),
        ),
        (
            {"state": {"root_free": GIB // 2}},
            failed(
                "disk",
                "0.5 GiB free of 20 GiB: a first run needs 1 GiB; give it a larger disk",
            ),
        ),
        # After the first run, what needs room says so itself.
        (
            {"state": {"root_free": GIB // 2}, "shares": {"recorded": ["nginx"]}},
            note(
                "disk",
                "0.5 GiB free of 20 GiB: little room for releases, uploads and the database",
            ),
        ),
        (
            {"state": {"architecture": "riscv64"}},
            note(
                "debian",
                "Debian 13 (trixie), riscv64: few Python packages are built for this processor; a "
                "release may have to compile them, which needs compilers in `packages:` of "
                "project.yml",
            ),
        ),
        ({"facts": {"clock": 980.0}}, ok("clock", "20 s behind")),
        (
            {"state": {"clock_synchronized": "no"}},
            note(
                "clock",
                "is right, but nothing keeps it so: `timedatectl set-ntp true` (and let NTP out)",
            ),
        ),
        (
            {"state": {"apt_holders": ["unattended-upgr"]}},
            note("apt", "is at work (unattended-upgr): wait until it is done"),
        ),
        (
            {"state": {"dpkg_interrupted": True}},
            failed("apt", "dpkg was interrupted: run `dpkg --configure -a` on the machine"),
        ),
        (
            {"state": {"has_locale": False}},
            failed(
                "locale",
                "has no C.UTF-8, which PostgreSQL needs: `apt-get install --reinstall libc-bin`",
            ),
        ),
        (
            {"shares": {"memory_mb": "480", "share_mb": "240"}, "state": {"swap_mb": 512}},
            note(
                "memory",
                "480 MiB, 512 MiB of swap; PostgreSQL may count on 240 MiB; Django answers with 3 "
                "processes of 4 threads, beside 2 of its own. Small: 1 GiB is the least that the "
                "kit is tried on",
            ),
        ),
        (
            {"state": {"exposed": {"25": ["exim4"], "22": ["sshd"], "8125": ["netdata"]}}},
            note(
                "firewall",
                "other machines will not reach what listens there now: exim4 on 25, netdata on "
                "8125. What they need belongs into hosts.yml, as `firewall: {allow: [{port: 25}]}`",
            ),
        ),
        (
            {"state": {"listening": {"80": ["apache2"], "443": ["apache2"]}}},
            failed(
                "ports",
                "apache2 listens on ports 80 and 443, which nginx needs: stop it for good "
                "(`systemctl disable --now …`), or use another machine",
            ),
        ),
        (
            {"state": {"listening": {"5432": ["postgres"]}}},
            note(
                "ports",
                "postgres is there already, on port 5432, and not made by this kit: a run would "
                "configure it anew",
            ),
        ),
        (
            {
                "state": {"listening": {"80": ["nginx"], "5432": ["postgres"]}},
                "shares": {"recorded": ["nginx", "django", "postgresql_primary"]},
            },
            ok("ports", "nothing else listens on those of the site"),
        ),
    ],
)
def test_what_differs(changed: dict[str, Any], finding: Finding) -> None:
    assert Finding(finding.check, finding.level, finding.text, "vps1") in found(**changed)


def test_port_that_a_version_before_had_for_web_machines_is_the_kit_s_own() -> None:
    exposed = {"state": {"exposed": {"8080": ["nginx"]}}}
    own = {"shares": {"recorded": ["app_proxy", "django"]}}
    assert not [one for one in found(**exposed, **own) if one.check == "firewall"]
    assert [one for one in found(**exposed) if one.check == "firewall"]


def test_container_has_the_clock_of_its_host() -> None:
    in_container = {"virtualization_tech_guest": ["container", "podman"]}
    assert ok("clock", "is right", "vps1") in found(
        facts=in_container, state={"clock_synchronized": "no"}
    )


def test_machine_that_cannot_be_reached_has_one_finding() -> None:
    tasks = {PROJECT: GOOD[PROJECT], REACH: {"action": "machine_facts", "unreachable": True}}
    tasks["Refuse a machine that cannot be reached"] = refusal("unreachable", "vps1 is off.")
    assert [one for one in judge(results(tasks), TOPOLOGY) if one.machine] == [
        failed("ssh", "vps1 is off.", "vps1")
    ]


def test_site_that_is_copied_nowhere_is_told_so() -> None:
    uncopied = note(
        "backup",
        "Nothing is copied anywhere: hosts.yml has no `backup`, such as `backup: {to: s3, bucket: "
        "shop-backups, endpoint: s3.eu-central-1.amazonaws.com}`.",
    )
    topology = TOPOLOGY | {"services": {"pgbackrest": []}}
    assert judge(results(GOOD), topology) == [*READY[:2], uncopied, *READY[2:]]


def test_what_is_wrong_with_a_destination_is_told_of_the_machine() -> None:
    name = "Refuse to begin with an empty database where backups wait"
    tasks = GOOD | {name: refusal("ansible.builtin.assert", "There are backups.")}
    told = failed("backup", "There are backups.", "vps1")
    assert judge(results(tasks), TOPOLOGY) == [*READY, told]


def test_every_refusal_is_told_at_once() -> None:
    tasks = GOOD | {
        PROJECT: refusal("project", "project.yml: no manage.py was found."),
        "Refuse a distribution that the kit does not know": refusal(
            "ansible.builtin.assert", "vps1 runs Arch."
        ),
        "Refuse a machine whose clock is wrong": refusal("ansible.builtin.assert", "It is late."),
        "Refuse a new reason": refusal("ansible.builtin.fail", "vps1 carries another site."),
        # It needs what the project would have said, and is no refusal.
        "Look for a user": {"action": "ansible.builtin.getent", "failed": True, "msg": "undefined"},
    }
    findings = judge(results(tasks), TOPOLOGY)
    assert [one for one in findings if one.is_failed] == [
        failed("project", "project.yml: no manage.py was found."),
        failed("debian", "vps1 runs Arch.", "vps1"),
        failed("clock", "It is late.", "vps1"),
        failed("inventory", "vps1 carries another site.", "vps1"),
    ]
    assert ok("disk", "10.0 GiB free of 20 GiB", "vps1") in findings


def test_error_is_told_where_no_refusal_explains_it() -> None:
    error = {"action": "ansible.builtin.assert", "failed": True, "msg": "Task failed: no `build`."}
    told = failed(
        "clock", "Refuse a machine whose clock is wrong: Task failed: no `build`.", "vps1"
    )
    tasks = GOOD | {"Refuse a machine whose clock is wrong": error}
    assert [one for one in judge(results(tasks), TOPOLOGY) if one.is_failed] == [told]
    tasks |= {"Refuse a new reason": refusal("ansible.builtin.fail", "It is another site's.")}
    assert [one for one in judge(results(tasks), TOPOLOGY) if one.is_failed] == [
        failed("inventory", "It is another site's.", "vps1")
    ]


def test_what_ansible_does_not_finish_is_an_error() -> None:
    with pytest.raises(ValueError):
        parse("[ERROR]: no such playbook\n")


def test_tasks_have_the_names_by_which_they_are_known() -> None:
    plays = yaml.safe_load((paths.PLAYBOOKS / "check.yml").read_text())
    names = {task["name"] for play in plays for task in play["tasks"]}
    for file in ("preflight_site.yml", "preflight_machine.yml", "preflight_backup.yml"):
        names |= {
            task["name"] for task in yaml.safe_load((paths.PLAYBOOKS / "tasks" / file).read_text())
        }
    assert names >= {*SUBJECTS, REACH, STATE, SHARES, WISHES, SECRETS}


def test_a_run_ends_at_the_first_refusal_and_a_check_goes_on() -> None:
    for file, keyword in (("preflight.yml", "any_errors_fatal"), ("check.yml", "ignore_errors")):
        plays = yaml.safe_load((paths.PLAYBOOKS / file).read_text())
        assert [
            [task.get("ansible.builtin.import_tasks") for task in play["tasks"]]
            for play in plays[:2]
        ] == [
            ["tasks/preflight_site.yml"],
            ["tasks/preflight_machine.yml", "tasks/preflight_backup.yml"],
        ]
        # Written out: Ansible takes a template for yes where it decides who ends a run.
        assert [play.get(keyword) for play in plays[:2]] == [True, True]


def test_lines_are_a_table_and_json_has_the_same() -> None:
    findings = [ok("project", "two\nlines"), failed("ssh", "is off", "vps1")]
    assert lines(findings) == [
        "site  project  ok      two lines",
        "vps1  ssh      FAILED  is off",
    ]
    assert as_json_object(findings) == {
        "ok": False,
        "findings": [
            {"check": "project", "level": "ok", "text": "two\nlines", "machine": ""},
            {"check": "ssh", "level": "failed", "text": "is off", "machine": "vps1"},
        ],
    }
