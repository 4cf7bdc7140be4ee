"""What the lab reads from an inventory, and what it refuses to touch."""

from __future__ import annotations

import json
import resource
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from espalier.lab import image, machines, process
from espalier.lab.inventory import Lab, Machine, parse_lab
from espalier.lab.process import LabError


def listing(**machine: Any) -> dict[str, Any]:
    variables = {"lab": {"name": "t", "network": "198.18.9.0/24"}, "ansible_host": "198.18.9.11"}
    return {"vps1": variables | machine}


def test_reads_machines() -> None:
    read = parse_lab(listing(memory_mb=512, cores=0.5, lab_image="debian-12"))
    assert read == Lab(
        "t", "198.18.9.0/24", (Machine("vps1", "198.18.9.11", "debian-12", 512, 0.5, {}),)
    )
    assert read.container(read.machines[0]) == "espalier-t-vps1"


def test_the_environment_chooses_the_other_debian(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAB_IMAGE", "debian-12")
    assert parse_lab(listing(lab_image="debian-13")).machines[0].image == "debian-12"
    fixed = listing(lab_image="debian-13", lab_image_fixed=True)
    assert parse_lab(fixed).machines[0].image == "debian-13"
    monkeypatch.setenv("LAB_IMAGE", "debian-11")
    with pytest.raises(LabError, match="LAB_IMAGE in the environment, is debian-11"):
        parse_lab(listing())


@pytest.mark.parametrize(
    ("inventory", "sentence"),
    [
        ({}, "lists no machine"),
        ({"vps1": {"ansible_host": "203.0.113.10"}}, "is not a lab"),
        (listing(lab={"name": "t", "network": "10.0.0.0/24"}), "outside 198.18.0.0/15"),
        (listing(ansible_host="203.0.113.10"), "not in the lab's network"),
        (listing(lab_image="ubuntu"), "one of debian-12, debian-13"),
    ],
)
def test_refuses(inventory: dict[str, Any], sentence: str) -> None:
    with pytest.raises(LabError, match=sentence):
        parse_lab(inventory)


def test_limits_stay_within_this_machine_s_own(monkeypatch: pytest.MonkeyPatch) -> None:
    hard = {resource.RLIMIT_NOFILE: 20000, resource.RLIMIT_NPROC: resource.RLIM_INFINITY}
    monkeypatch.setattr(machines.resource, "getrlimit", lambda which: (0, hard[which]))
    assert machines.limits() == ["--ulimit", "nofile=20000:20000", "--ulimit", "nproc=32768:32768"]


def test_a_changed_specification_is_another_machine() -> None:
    one = parse_lab(listing(lab_tmpfs={"/data": "10m"}))
    other = parse_lab(listing(lab_tmpfs={"/data": "20m"}))
    assert machines.specification(one, one.machines[0], "image") != machines.specification(
        other, other.machines[0], "image"
    )


class Podman:
    """A stand-in for podman, which knows one container."""

    def __init__(self, label: str) -> None:
        """Know a running container with a label."""
        self.label, self.asked = label, list[tuple[str, ...]]()

    def __call__(self, *arguments: str, check: bool = True) -> str:
        """Note what is asked for; answer an inspection."""
        self.asked.append(arguments)
        labels = {"espalier.spec": self.label}
        container = {"Config": {"Labels": labels}, "State": {"Running": True}}
        return json.dumps([container]) if arguments[1:2] == ("inspect",) else ""

    def commands(self) -> list[str]:
        """What it was asked to do, without the questions."""
        return [words[0] for words in self.asked if words[0] != "container"]


@pytest.fixture
def ensure(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Podman]:
    """Ensure a machine of so many MiB where a container with a label runs."""
    monkeypatch.setattr(machines, "SSH_KEY", tmp_path / "key")
    (tmp_path / "key.pub").write_text("ssh-ed25519 AAAA")
    monkeypatch.setattr(machines, "authorise", lambda name, key: True)
    monkeypatch.setattr(machines, "wait_for", lambda machine, seconds: True)

    def run(label: str, **size: Any) -> Podman:
        lab = parse_lab(listing(**size))
        podman = Podman(label)
        monkeypatch.setattr(machines, "podman", podman)
        machines.ensure_machine(lab, lab.machines[0], "image")
        return podman

    return run


def label_of(podman: Podman) -> str:
    """The label of the machine that was started."""
    started = next(words for words in podman.asked if words[0] == "run")
    return next(word for word in started if word.startswith("espalier.spec=")).partition("=")[2]


def test_machine_keeps_what_it_holds_when_its_size_changes(ensure: Callable[..., Podman]) -> None:
    label = label_of(ensure("another", memory_mb=1024, cores=2))
    resized = ensure(label, memory_mb=3072, cores=2)
    assert resized.commands() == ["update"]
    update = next(words for words in resized.asked if words[0] == "update")
    assert update[1:5] == ("--memory", "3072m", "--memory-swap", "6144m")
    other = ensure(label, lab_tmpfs={"/data": "20m"})
    assert other.commands() == ["rm", "run", "exec"]


def test_machine_of_the_version_before_is_kept(
    ensure: Callable[..., Podman], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machines, "hierarchies", list)
    before = label_of(ensure("another", memory_mb=1024))
    monkeypatch.setattr(machines, "hierarchies", lambda: ["--volume", "/sys/fs/cgroup/memory"])
    assert label_of(ensure("another", memory_mb=1024)) != before
    assert ensure(before, memory_mb=1024).commands() == ["update"]


def test_bridge_keeps_its_address_when_a_machine_is_taken_away(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ran: list[list[str]] = []
    network = json.dumps([{"network_interface": "podman7"}])
    monkeypatch.setattr(machines, "podman", lambda *words: network)
    monkeypatch.setattr(machines, "as_root", list)
    monkeypatch.setattr(machines, "run", lambda command, check: ran.append(command))
    lab = parse_lab(listing())
    machines.keep_bridge_address(lab, tmp_path)  # where the bridge is not this system's to set
    assert ran == []
    (tmp_path / "podman7").mkdir()
    (tmp_path / "podman7/address").write_text("46:c6:04:c8:45:a4\n")
    machines.keep_bridge_address(lab, tmp_path)
    assert ran == [["ip", "link", "set", "dev", "podman7", "address", "46:c6:04:c8:45:a4"]]


def test_a_machine_s_systemd_may_bound_its_units(tmp_path: Path) -> None:
    for name in ("memory", "cpu,cpuacct", "blkio"):
        (tmp_path / name).mkdir()
    (tmp_path / "cpu").symlink_to("cpu,cpuacct")
    assert machines.hierarchies(tmp_path)[1::2] == [
        f"{tmp_path}/{name}:{tmp_path}/{name}:rw" for name in ("memory", "cpu,cpuacct")
    ]
    assert machines.hierarchies(tmp_path / "memory") == []  # version 2 alone


def test_sources_are_for_the_wanted_release_from_this_machine_s_mirrors(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    targets = (
        "a|bookworm|Debian|http://mirror.example/debian/\n"
        "a|bookworm-updates|Debian|http://mirror.example/debian/\n"
        "b|bookworm-security|Debian|http://mirror.example/security/\n"
        "c|stable|Another|http://another.example/\n"
    )
    monkeypatch.setattr(image, "run", lambda *command, **options: targets)
    assert image.apt_sources("trixie").splitlines() == [
        "deb http://mirror.example/debian trixie main",
        "deb http://mirror.example/debian trixie-updates main",
        "deb http://mirror.example/security trixie-security main",
    ]


def test_no_sources_where_this_machine_has_none_of_debian(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        image, "run", lambda *command, **options: "c|noble|Ubuntu|http://u.example/"
    )
    assert image.apt_sources("trixie") == ""


@pytest.mark.parametrize(
    ("registry", "content"),
    [
        ("https://npm.example.com/", "registry=https://npm.example.com/\n"),
        ("https://registry.npmjs.org/", ""),
        ("undefined", ""),
        ("", ""),
    ],
)
def test_machines_use_this_machine_s_registry_of_npm(
    monkeypatch: pytest.MonkeyPatch, registry: str, content: str
) -> None:
    monkeypatch.setattr(image.shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(image, "run", lambda command, check: registry)
    assert image.npm_settings() == content
    monkeypatch.setattr(image.shutil, "which", lambda name: None)
    assert image.npm_settings() == ""


def test_podman_leaves_nothing_in_the_project_of_whoever_starts_a_lab(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "podman").write_text("#!/bin/sh\ntouch oom\n")
    (tmp_path / "podman").chmod(0o755)
    for name in ("project", "run"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setattr(process, "as_root", list)
    monkeypatch.setattr(process, "DIRECTORY", str(tmp_path / "run"))
    monkeypatch.chdir(tmp_path / "project")
    process.podman("run")
    assert [path.name for path in tmp_path.glob("*/*")] == ["oom"]
    assert not list(Path().iterdir())
