"""A key for repositories, as ssh-keygen makes it."""

from __future__ import annotations

import subprocess

import pytest

from espalier.project.errors import ProjectError
from espalier.project.schema import check


@pytest.mark.parametrize("form", ["RFC4716", "PEM"])
@pytest.mark.parametrize("passphrase", ["", "secret"])
def test_a_key_with_a_passphrase_is_refused_in_either_form(tmp_path, form, passphrase):
    file = tmp_path / "key"
    argv = ["ssh-keygen", "-q", "-t", "ecdsa", "-m", form, "-N", passphrase, "-f", str(file)]
    subprocess.run(argv, check=True)
    stated = {"directory": "x", "deploy_key": file.read_text()}
    if not passphrase:
        assert check(stated).deploy_key == file.read_text()
        return
    with pytest.raises(ProjectError, match="deploy_key: has a passphrase"):
        check(stated)
