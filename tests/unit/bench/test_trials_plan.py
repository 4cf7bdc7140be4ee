"""Which trials there are, and which of them are still to be run."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
import yaml

from bench.trials import __main__ as command
from bench.trials import results
from bench.trials.catalogue import SEVERITIES, TRIALS, requests
from bench.trials.environment import hosts_text, write_environment
from bench.trials.expected import EXPECTED
from bench.trials.machines import PROJECTS, TOPOLOGIES, Machines
from bench.trials.results import Result


def test_trials_and_what_is_expected_are_the_same() -> None:
    assert [trial.number for trial in TRIALS] == list(EXPECTED)


def test_enough_of_them() -> None:
    assert len(command.planned("", None, "", True)) >= 60
    assert len(command.planned("", None, "wagtail", True)) >= 12
    assert len(command.planned("23", None, "nursery", True)) == 3


def test_requests_have_no_blank_but_those_of_a_profile() -> None:
    for trial in TRIALS:
        for project in trial.profiles:
            assert project in PROJECTS
            for severity in SEVERITIES:
                assert trial.shape(project, severity).topology in TOPOLOGIES
                for ask in requests(trial, project, severity):
                    assert not any(blank in ask["path"] for blank in ("{MS}", "{N}", "{REMOTE}"))


def test_a_severity_may_be_a_number_of_rows_or_an_input() -> None:
    index = next(trial for trial in TRIALS if trial.number == "13")
    assert [index.shape("nursery", how).rows[0] for how in SEVERITIES] == [
        100_000,
        200_000,
        400_000,
    ]
    pool = next(trial for trial in TRIALS if trial.number == "10")
    assert [
        pool.shape("nursery", how).inputs["db1"]["pgbouncer_pool_size"] for how in SEVERITIES
    ] == [
        3,
        2,
        1,
    ]


def test_those_that_share_a_site_follow_each_other() -> None:
    keys = [trial.shape(name, how).key for trial, name, how in command.planned("", None, "", True)]
    changes = sum(one != other for one, other in pairwise(keys))
    assert changes == len(set(keys)) - 1


def test_a_result_is_not_measured_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def is_done(project: str, trial: str, severity: int) -> bool:
        file = tmp_path / f"{results.name(project, trial, severity)}.json"
        return file.exists() and not results.read(file).void

    monkeypatch.setattr(results, "is_done", is_done)
    good = Result("nursery", "13", 1, "", "", advice={"verdict": "bottleneck"})
    void = Result("nursery", "13", 2, "", "", void="no effect")
    for result in (good, void):
        results.write(result, tmp_path)
    assert list(results.all_results(tmp_path)) == [good, void]
    assert [how for _, _, how in command.planned("13", None, "nursery", False)] == [2, 3]
    assert [how for _, _, how in command.planned("13", None, "nursery", True)] == [1, 2, 3]


def test_environments_are_yaml_with_what_is_wanted(tmp_path: Path) -> None:
    machines = Machines()
    duties = TOPOLOGIES["pgbouncer"].duties
    hosts = hosts_text(["pgbouncer"], machines._all(), duties, machines._variables())
    write_environment(tmp_path, hosts, PROJECTS["apiary"], {"db1": {"pgbouncer_pool_size": 2}})
    said = yaml.safe_load((tmp_path / "hosts.yml").read_text())["all"]
    assert said["vars"]["tiers"] == ["pgbouncer"]
    assert said["vars"]["lab"]["name"] == "trials"
    assert said["children"]["db"] == {"hosts": {"db1": None}}
    assert set(said["hosts"]) == {"vps1", "db1", "app2", "db2"}
    project = yaml.safe_load((tmp_path / "group_vars/all/project.yml").read_text())
    assert project == {"project": PROJECTS["apiary"]}
    assert yaml.safe_load((tmp_path / "host_vars/db1.yml").read_text()) == {
        "pgbouncer_pool_size": 2
    }
