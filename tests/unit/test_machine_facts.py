"""The module that tells what the kit has to know of a machine."""

from __future__ import annotations

from plugins.modules import machine_facts as facts

DEBIAN = """PRETTY_NAME="Debian GNU/Linux 13 (trixie)"
NAME="Debian GNU/Linux"
VERSION_ID="13"
VERSION_CODENAME=trixie
ID=debian

"""


def test_distribution_is_named_as_ansible_names_it() -> None:
    assert facts.distribution(DEBIAN) == {
        "distribution": "Debian",
        "distribution_version": "13",
        "distribution_release": "trixie",
    }
    rolling = {"distribution": "Arch", "distribution_version": "", "distribution_release": ""}
    assert facts.distribution("ID=arch\n") == rolling


def test_a_container_is_told_from_a_machine() -> None:
    guest = {"virtualization_role": "guest", "virtualization_type": "podman"}
    assert facts.virtualization("podman") == guest
    # A virtual machine says "none" too: it has memory and a kernel of its own.
    host = {"virtualization_role": "host", "virtualization_type": ""}
    assert facts.virtualization("none") == facts.virtualization("") == host


def test_addresses_are_sorted() -> None:
    assert facts.addresses("10.0.0.4 203.0.113.7 2001:db8::7 \n") == {
        "all_ipv4_addresses": ["10.0.0.4", "203.0.113.7"],
        "all_ipv6_addresses": ["2001:db8::7"],
    }
