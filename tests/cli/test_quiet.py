"""--quiet of a real script: its result on stdout, and nothing else."""

from __future__ import annotations

import subprocess
import sys


def test_a_quiet_check_prints_its_table_alone(repository):
    command = ["check_data.py", "--data=demo/zh/test.jsonl", "--voices=False", "--quiet"]
    done = subprocess.run(
        [sys.executable, *command], cwd=repository, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("manifest ")
    assert done.stdout.endswith("\nnothing to fix\n")


def test_a_quiet_script_still_tells_its_error(repository):
    done = subprocess.run(
        [sys.executable, "report.py", "--quiet", "--results=absent.json"],
        cwd=repository,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: absent.json")
