"""The site as a running playbook knows it: whose user and passwords are whose."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from espalier.rollout.from_ansible import site

OWN = {"ansible_user": "deploy", "ansible_become_password": "s1"}


def variables(first: dict[str, Any], play_context: Any) -> dict[str, dict[str, Any]]:
    """How two machines are reached, as a task on the first one tells; the second says nothing."""
    hosts = {
        "app1": first | {"ansible_host": "198.18.99.1"},
        "app2": {"ansible_host": "198.18.99.2"},
    }
    task_vars = {
        "hostvars": hosts,
        "inventory_hostname": "app1",
        "inventory_dir": "inventory",
        "topology": {"machines": {name: {} for name in hosts}},
    }
    return site("shop", task_vars, play_context).variables


def test_site_has_the_project_s_name_and_the_playbook_s_project() -> None:
    context = SimpleNamespace(remote_user="deploy", password=None, become_pass="typed")
    task_vars = {
        "hostvars": {"app1": {"ansible_host": "198.18.99.1"}},
        "inventory_hostname": "app1",
        "inventory_dir": "inventory",
        "topology": {"machines": {"app1": {}}},
        "project": {"git": "https://example.com/shop.git"},
    }
    found = site("shop", task_vars, context)
    assert (found.name, found.project) == ("shop", task_vars["project"])


def test_what_was_typed_is_for_every_machine() -> None:
    context = SimpleNamespace(remote_user="deploy", password=None, become_pass="typed")
    found = variables({}, context)
    assert {one["ansible_become_password"] for one in found.values()} == {"typed"}
    assert {one["ansible_user"] for one in found.values()} == {"deploy"}


def test_user_and_password_of_one_machine_are_not_given_to_another() -> None:
    # Ansible's own object has the first machine's values by then.
    context = SimpleNamespace(remote_user="deploy", password=None, become_pass="s1")
    found = variables(OWN, context)
    assert found["app1"]["ansible_become_password"] == "s1"
    assert "ansible_become_password" not in found["app2"]
    assert found["app2"].get("ansible_user") != "deploy"
