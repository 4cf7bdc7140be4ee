"""Each plugin of Ansible says the same where the kit's Python package is missing."""

from __future__ import annotations

import ast
import subprocess
import sys

import pytest
import yaml

from espalier.paths import KIT

PLUGINS = [
    ".".join(path.relative_to(KIT).with_suffix("").parts)
    for path in sorted(KIT.glob("plugins/*/*.py"))
    # Those in modules run on machines, where the package never is.
    if path.parent.name != "modules" and "from espalier." in path.read_text()
]

# As Python itself does where a module is in none of its directories.
ABSENT = """
import importlib, sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name == sys.argv[2]:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Absent())
importlib.import_module(sys.argv[1])
"""


def load(plugin: str, missing: str) -> str:
    """Import a plugin where a module cannot be found; gives the last line of its errors."""
    argv = [sys.executable, "-c", ABSENT, plugin, missing]
    done = subprocess.run(argv, capture_output=True, text=True, cwd=KIT)
    assert done.returncode == 1
    return done.stderr.splitlines()[-1]


def test_there_are_such_plugins() -> None:
    assert PLUGINS == [
        "plugins.action.guarded_files",
        "plugins.action.machine_certificate",
        "plugins.action.project",
        "plugins.action.project_python",
        "plugins.action.site_lock",
        "plugins.action.site_release",
        "plugins.action.ssh_proof",
        "plugins.action.unreachable",
        "plugins.callback.plan",
        "plugins.callback.progress",
        "plugins.filter.espalier",
        "plugins.inventory.topology",
    ]


@pytest.mark.parametrize("plugin", PLUGINS)
def test_a_missing_package_is_said_in_one_wording(plugin: str) -> None:
    error = load(plugin, "espalier")
    assert error.removeprefix("ansible.errors.AnsibleError: ") == (
        "The Python package `espalier` is not installed beside this Ansible. Activate the kit's "
        "virtual environment (`source .venv/bin/activate`), or install the kit beside it "
        "(`pip install -e .`)."
    )


@pytest.mark.parametrize("plugin", PLUGINS)
def test_a_bug_inside_the_package_is_not_called_a_missing_package(plugin: str) -> None:
    parts = {
        "action.guarded_files": "espalier.inventory",
        "action.project": "espalier.project",
        "action.project_python": "espalier.wiring",
        "action.machine_certificate": "espalier.wiring",
        "callback.plan": "espalier.plan_report",
        "callback.progress": "espalier.progress",
        "filter.espalier": "espalier.wiring",
        "inventory.topology": "espalier.inventory",
    }
    missing = parts.get(plugin.removeprefix("plugins."), "espalier.rollout")
    assert load(plugin, missing) == f"ModuleNotFoundError: No module named {missing!r}"


@pytest.mark.parametrize("module", sorted(path.name for path in KIT.glob("plugins/modules/*.py")))
def test_what_a_module_says_of_itself_can_be_read(module: str) -> None:
    body = ast.parse((KIT / "plugins/modules" / module).read_text()).body
    texts = {
        node.targets[0].id: ast.literal_eval(node.value)
        for node in body
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and node.targets[0].id in ("DOCUMENTATION", "EXAMPLES", "RETURN")
    }
    assert {name for name, text in texts.items() if yaml.safe_load(text)} >= {"DOCUMENTATION"}
