"""Ray Data gives what this machine's processes give, in the same order; its absence is told."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import check_data
import custom
import pseudo_label
from tests.validation.test_check import PLANTED, Corpus
from utils.cli.errors import UserError
from utils.manifest import read
from utils.manifest.read import read_manifest
from utils.parallel.ray_data import ray_map, spread
from utils.parallel.shards import Shard, parse_shard
from utils.validation import check
from utils.validation.check import check_manifests


def test_without_ray_the_user_is_told_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UserError, match="needs Ray, which is not installed") as caught:
        list(ray_map(len, ["a"], 1))
    assert "requirements/ray.txt" in caught.value.hint


def test_the_engine_of_this_machine_needs_no_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    assert list(spread(len, ["a", "bc"], "local")) == [1, 2]
    assert list(ray_map(len, [], 1)) == []


@pytest.fixture(scope="module")
def local_ray() -> Iterator[None]:
    """Ray on one core of this machine, with a small store."""
    ray = pytest.importorskip("ray", reason="Ray is an extra: requirements/ray.txt")
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    repository = str(Path(__file__).resolve().parents[2])
    ray.init(
        address="local",
        num_cpus=1,  # each more is a process that loads every library again
        object_store_memory=100 << 20,
        include_dashboard=False,
        log_to_driver=False,
        runtime_env={"env_vars": {"PYTHONPATH": repository, "OMP_NUM_THREADS": "1"}},
    )
    yield
    ray.shutdown()


@pytest.mark.timeout(600)
@pytest.mark.usefixtures("local_ray")
class TestOnALocalRay:
    """One start of Ray serves all of these."""

    def test_answers_come_in_order_and_errors_as_they_are(self) -> None:
        assert list(ray_map(abs, range(-50, 0), 1)) == list(range(50, 0, -1))
        answers = ray_map(parse_shard, ["1/2", "2/2", "3/2", "4/2"], 1)
        assert [next(answers), next(answers)] == [Shard(1, 2), Shard(2, 2)]
        with pytest.raises(UserError, match="--shard=3/2 is no part of a whole"):
            next(answers)

    def test_validation_finds_the_same(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        corpus = Corpus(tmp_path)
        for _, _, plant in PLANTED.values():
            corpus.add(**plant(corpus.folder))
        local = corpus.check()
        monkeypatch.setattr(check, "LINES_A_TASK", 5)
        # In two rounds where the lines are read from disk: each starts processes.
        for large_bytes, tasks in ((0, 4), (1 << 40, 4096)):
            monkeypatch.setattr(read, "LARGE_BYTES", large_bytes)
            monkeypatch.setattr(check, "TASKS_A_ROUND", tasks)
            assert check_manifests([tmp_path / "train.json"], 1, engine="ray") == local
        flags = [f"--data={tmp_path / 'train.json'}", "--voices=False", "--engine=ray"]
        assert check_data.main(flags) == 2

    def test_tars_have_the_same_bytes(
        self, tmp_path: Path, repository: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        manifest = repository / "demo" / "en" / "dev.jsonl"
        for engine in ("local", "ray"):
            flags = [f"--path={manifest}", f"--output_dir={engine}", "--shard_size=200KB"]
            custom.main(["pack", *flags, f"--engine={engine}"])
        local, other = (
            {path.name: path.read_bytes() for path in (tmp_path / engine).iterdir()}
            for engine in ("local", "ray")
        )
        assert len([name for name in local if name.endswith(".tar")]) > 2
        assert other == local

    def test_recordings_get_the_same_labels(
        self,
        tmp_path: Path,
        repository: Path,
        tiny_model: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.chdir(tmp_path)
        brought = tmp_path / "brought"
        brought.mkdir()
        (brought / "talk.flac").symlink_to(repository / "dataset" / "sample.flac")
        (brought / "broken.wav").write_bytes(b"no sound")
        lines = {}
        for engine in ("local", "ray"):
            flags = [f"--model_path={tiny_model}", "--language=en", "--max_compression_ratio=100"]
            flags += ["--window=5", "--batch_size=1", f"--engine={engine}"]
            pseudo_label.main([*flags, "--audio=brought", f"--output_dir={engine}"])
            lines[engine] = [each.to_json() for each in read_manifest(f"{engine}/train.json")]
            left_out = Path(engine, "left_out.jsonl").read_text().splitlines()
            assert [json.loads(line)["id"] for line in left_out] == ["brought/broken.wav"]
        for line in [*lines["local"], *lines["ray"]]:
            line["audio"]["path"] = Path(line["audio"]["path"]).name
            line["confidence"] = round(line["confidence"], 4)
        assert lines["ray"] == lines["local"] != []
