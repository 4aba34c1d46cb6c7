"""The workflow that tests this repository: valid YAML, and it runs what the Makefile has."""

from __future__ import annotations

import re
from pathlib import Path

import yaml


def test_the_workflow_runs_targets_of_the_makefile_on_supported_pythons(repository: Path) -> None:
    text = (repository / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
    workflow = yaml.safe_load(text)
    # YAML 1.1 reads the key `on` as a boolean.
    assert {"push", "pull_request"} <= set(workflow[True])
    job = workflow["jobs"]["tests"]
    rows = job["strategy"]["matrix"]["include"]
    makefile = (repository / "Makefile").read_text(encoding="utf-8")
    # A target that no file is named after is phony.
    targets = set(re.search(r"^\.PHONY: (.+)$", makefile, flags=re.M)[1].split())
    assert {row["target"] for row in rows} == {"test", "test-oldest", "test-newest"}
    assert {row["target"] for row in rows} <= targets
    assert {row["python"] for row in rows} <= {"3.10", "3.11", "3.12", "3.13"}
    commands = [step["run"] for step in job["steps"] if "run" in step]
    assert commands == ["make ${{ matrix.target }} PYTHON=python"]


def test_every_workflow_is_valid_yaml_with_steps_that_do_something(repository: Path) -> None:
    for path in sorted((repository / ".github" / "workflows").glob("*.yml")):
        jobs = yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"]
        steps = [step for job in jobs.values() for step in job["steps"]]
        assert steps and all(("uses" in step) != ("run" in step) for step in steps), path
