"""The words of commands that a release sends to machines."""

from __future__ import annotations

import pytest

from espalier.rollout.commands import CI_USERS, current_user


def test_log_names_who_pushed_to_a_ci_system(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in CI_USERS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("getpass.getuser", lambda: "runner")
    monkeypatch.setattr("socket.gethostname", lambda: "ci-7")
    assert current_user() == "runner@ci-7"
    monkeypatch.setenv("GITLAB_USER_LOGIN", "anna")
    assert current_user() == "anna@GitLab"
    monkeypatch.delenv("GITLAB_USER_LOGIN")
    monkeypatch.setenv("GITHUB_ACTOR", "bert")
    assert current_user() == "bert@GitHub"
