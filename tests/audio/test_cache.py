"""What the cache gives is what was decoded, bit for bit, and it is decoded once."""

from __future__ import annotations

import errno
import multiprocessing
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.audio.cache import AudioCache, cache_budget, pack

RNG = np.random.default_rng(0)
MB = 10**6


def recorded(samples: int) -> np.ndarray:
    """As a 16-bit file decodes."""
    return RNG.integers(-32768, 32768, samples).astype(np.float32) / np.float32(32768)


def resampled(samples: int) -> np.ndarray:
    return RNG.uniform(-1, 1, samples).astype(np.float32)


def never() -> np.ndarray:
    raise AssertionError("decoded again")


@given(st.lists(st.floats(-1, 1, width=32), min_size=1, max_size=20))
def test_packing_loses_nothing(values: list[float]) -> None:
    samples = np.array(values, dtype=np.float32)
    packed = pack(samples)
    back = packed if packed.dtype == np.float32 else packed.astype(np.float32) / np.float32(32768)
    assert back.tobytes() == samples.tobytes()


def test_recordings_of_16_bits_take_half() -> None:
    assert pack(recorded(100)).dtype == np.int16
    assert pack(resampled(100)).dtype == np.float32
    assert pack(np.array([1.0], dtype=np.float32)).dtype == np.float32  # 32768 is none of 16 bits


def test_the_second_reading_decodes_nothing(tmp_path: Path) -> None:
    clips = [recorded(101), resampled(77), recorded(1), resampled(5)]
    cache = AudioCache(tmp_path, len(clips), MB)
    for row, clip in enumerate(clips):
        assert cache.get(row, lambda clip=clip: clip).tobytes() == clip.tobytes()
    assert cache.held == len(clips)
    for row, clip in enumerate(clips):
        again = cache.get(row, never)
        assert (again.dtype, again.tobytes()) == (np.float32, clip.tobytes())
        again += 1  # the caller's own


def test_what_passes_the_budget_is_decoded_each_time(tmp_path: Path) -> None:
    cache = AudioCache(tmp_path, 3, 500)
    clips = [resampled(100), resampled(100), resampled(100)]
    for _ in range(2):
        for row, clip in enumerate(clips):
            assert cache.get(row, lambda clip=clip: clip).tobytes() == clip.tobytes()
    assert cache.held == 1
    assert (tmp_path / "samples").stat().st_size <= 500


def fill(cache: AudioCache, rows: range) -> None:
    for row in rows:
        cache.get(row, lambda row=row: np.full(50, row / 64, dtype=np.float32))


@pytest.mark.parametrize("way", ["fork", "spawn"])
def test_processes_share_it(tmp_path: Path, way: str) -> None:
    cache = AudioCache(tmp_path, 40, MB)
    context = multiprocessing.get_context(way)
    ranges = (range(0, 25), range(15, 40))  # some rows are read by both
    workers = [context.Process(target=fill, args=(cache, rows)) for rows in ranges]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
        assert worker.exitcode == 0
    for row in range(40):
        assert (cache.get(row, never) == np.float32(row / 64)).all()


def test_it_is_opened_again_not_copied(tmp_path: Path) -> None:
    cache = AudioCache(tmp_path, 2, MB)
    other = pickle.loads(pickle.dumps(cache))
    cache.get(1, lambda: recorded(10))
    assert other.get(1, never).tobytes() == cache.get(1, never).tobytes()


def test_a_full_disk_costs_the_cache_and_not_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(path: Path, *rest: Any) -> Any:
        if path.name == "samples":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return open(path, *rest)

    cache, clip = AudioCache(tmp_path, 2, MB), recorded(10)
    monkeypatch.setattr("utils.audio.cache.open", full, raising=False)
    for _ in range(2):
        assert cache.get(0, lambda: clip).tobytes() == clip.tobytes()
    assert capsys.readouterr().err.count("No space left") == 1


def test_budgets_are_gigabytes_or_a_share_of_what_is_free(tmp_path: Path) -> None:
    assert cache_budget(1.5, tmp_path) == 1_500_000_000
    assert cache_budget("auto", tmp_path) > 0
