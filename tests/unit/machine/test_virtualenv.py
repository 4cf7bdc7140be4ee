"""How a virtual environment is named."""

from __future__ import annotations

from espalier_machine.release.requirements import Requirements
from espalier_machine.release.virtualenv import venv_name


def requirements(text: str, kind="requirements"):
    return Requirements(kind, "r.txt", "", {"r.txt": text})


def test_the_virtualenv_is_named_after_requirements_extras_and_python_only():
    def name(text="a==1\n", extras=("g", "p"), python="3.13", identity="1", index=()):
        return venv_name(requirements(text), extras, python, identity, index)

    assert len(name()) == 16
    assert name() == name(extras=("p", "g")) == name(identity="2")
    assert name() != name(index=["https://pypi.example.com/simple/"])
    assert len({name(), name(text="a==2\n"), name(extras=("g",)), name(python="3.11")}) == 4


def test_a_virtualenv_with_code_of_the_archive_in_it_is_not_shared():
    names = {venv_name(requirements("-e .\n"), [], "3.13", id) for id in "12"}
    assert len(names) == 2


def test_virtual_environments_keep_the_names_that_machines_have():
    """The literals are what the release command of commit 10f4fb3 computes."""
    texts = {
        "code/requirements.txt": "django==5.2\n-c pins.txt\n",
        "code/pins.txt": "asgiref==3.8\n",
    }
    pinned = Requirements("requirements", "code/requirements.txt", "", texts, ("code/pins.txt",))
    extras = ["psycopg[binary]==3.3.9", "gunicorn==27.0.1"]
    assert venv_name(pinned, extras, "3.13", "0123456789abcdef") == "9d1146bb70fbdb40"
    local = Requirements("requirements", "r.txt", "", {"r.txt": "-e .\n"})
    assert venv_name(local, [], "3.11", "0123456789abcdef") == "23d86f447c83f644"
    package = Requirements("package", "", "shop==2.1", {})
    assert venv_name(package, ["gunicorn==27.0.1"], "3.11", "x") == "1c8036099192e7c1"
