"""The lab machine that builds for a site: what it is made from, and what it is refused for."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from espalier.lab import builder

NAME = builder.container_name("shop", Path("deploy/production"))
HERE = "Debian GNU/Linux 13 on x86_64"


@pytest.fixture(autouse=True)
def computer(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that can build for HERE."""
    uname = os.uname_result(("Linux", "laptop", "6.1", "#1", "x86_64"))
    monkeypatch.setattr(builder.os, "uname", lambda: uname)
    monkeypatch.setattr(builder.os, "geteuid", lambda: 0)
    monkeypatch.setattr(builder.sys, "platform", "linux")
    monkeypatch.setattr(builder, "missing_tools", list)


def test_a_computer_that_can_build_refuses_nothing() -> None:
    assert builder.refusal(HERE) == ""
    assert builder.refusal("Debian GNU/Linux 12 on x86_64") == ""


@pytest.mark.parametrize(
    "platform", ["Debian GNU/Linux 13 on aarch64", "Debian GNU/Linux 14 on x86_64"]
)
def test_another_kind_of_machine_is_refused(platform: str) -> None:
    sentence = builder.refusal(platform)
    assert sentence.startswith(f"project.build_on: lab: the site's machines are {platform}, and a")
    assert "Debian GNU/Linux 12 on x86_64 or Debian GNU/Linux 13 on x86_64" in sentence
    assert sentence.endswith("name a machine of the site with Django there, or remove the key.")


def test_missing_tools_and_systems_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(builder, "missing_tools", lambda: ["podman", "mmdebstrap"])
    monkeypatch.setattr(builder, "install_command", lambda: ["sudo", "install"])
    found = "not installed on this computer: podman, mmdebstrap. `sudo install` installs them."
    assert found in builder.refusal(HERE)
    monkeypatch.setattr(builder.sys, "platform", "darwin")
    assert "a lab machine needs Linux on this computer" in builder.refusal(HERE)


@pytest.mark.parametrize(("status", "word"), [(0, ""), (1, "asks for a password")])
def test_sudo_that_asks_is_refused(monkeypatch: pytest.MonkeyPatch, status: int, word: str) -> None:
    def run(argv: list[str], **options: Any) -> subprocess.CompletedProcess[bytes]:
        assert argv == ["sudo", "-n", "podman", "--version"]
        return subprocess.CompletedProcess(argv, status)

    monkeypatch.setattr(builder.os, "geteuid", lambda: 1000)
    monkeypatch.setattr(builder.subprocess, "run", run)
    sentence = builder.refusal(HERE)
    assert word in sentence and bool(sentence) == bool(word)


class Podman:
    """Stands for podman: what it is asked to do, and containers by name."""

    def __init__(self) -> None:
        """No container."""
        self.labels: dict[str, str] = {}
        self.asked: list[tuple[str, ...]] = []

    def __call__(self, *words: str, check: bool = True) -> str:
        """Note what is asked for; answer an inspection."""
        if words[1] == "inspect":
            label = self.labels.get(words[2])
            labels = {"espalier.spec": label}
            return json.dumps([{"Config": {"Labels": labels}}] if label else [])
        self.asked.append(words)
        if words[0] == "create":
            spec = next(word for word in words if word.startswith("espalier.spec="))
            self.labels[words[2]] = spec.partition("=")[2]
        return ""

    def made(self, image: str = "image:1") -> list[str]:
        """What is done for the container of a site."""
        self.asked.clear()
        builder._ensure_container(NAME, "/srv/shop", "/etc/espalier/shop", image)
        return [words[0] for words in self.asked]


def test_a_container_is_kept_until_its_image_is_another_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    podman = Podman()
    monkeypatch.setattr(builder, "podman", podman)
    assert podman.made() == ["create"]
    words = podman.asked[0]
    # What is secret is unpacked there.
    mounts = [
        words[place + 1].split(":")[0] for place, word in enumerate(words) if word == "--tmpfs"
    ]
    assert mounts == ["/etc/espalier/shop", "/srv/shop/build", "/run/espalier"]
    assert podman.made() == ["stop"], "what a run that was cut off left goes on"
    assert podman.made("image:2") == ["rm", "create"]


def test_no_lab_takes_it_for_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    podman = Podman()
    monkeypatch.setattr(builder, "podman", podman)
    podman.made()
    assert f"espalier.lab=build:{NAME}" in podman.asked[0]  # no name of a lab has a colon
    assert not podman.asked[0][2].startswith("espalier-")


def test_each_site_of_a_project_has_its_own() -> None:
    assert builder.container_name("shop", Path("deploy/staging")) != NAME
    assert builder.container_name("shop", Path("deploy/production").absolute()) == NAME
