"""Word times: the path through the attention, and what both engines make of it."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

from utils.manifest.read import read_manifest
from utils.transcription.clips import read_clip
from utils.transcription.decoding import Decoding
from utils.transcription.engines.registry import Alignment, open_engine
from utils.transcription.windows import WindowDecoder
from utils.transcription.words import dynamic_time_warping, words_of


def cheapest(cost: np.ndarray) -> float:
    """Cost of the best monotonic path, cell by cell."""
    total = np.full(cost.shape, np.inf)
    for i, j in np.ndindex(*cost.shape):
        before = [
            total[a, b] for a, b in ((i - 1, j - 1), (i - 1, j), (i, j - 1)) if min(a, b) >= 0
        ]
        total[i, j] = cost[i, j] + (min(before) if before else 0.0)
    return float(total[-1, -1])


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (5, 1), (4, 9), (12, 30)])
def test_warping_finds_the_cheapest_path(shape):
    cost = np.random.default_rng(0).normal(size=shape)
    path = dynamic_time_warping(cost)
    assert path[0] == (0, 0)
    assert path[-1] == (shape[0] - 1, shape[1] - 1)
    steps = {(c - a, d - b) for (a, b), (c, d) in itertools.pairwise(path)}
    assert steps <= {(0, 1), (1, 0), (1, 1)}
    assert sum(cost[place] for place in path) == pytest.approx(cheapest(cost))


@pytest.mark.parametrize("language", ["zh", "en"])
def test_engines_agree_on_the_words_of_a_clip(demo_model: Path, ct2_model: Path, language):
    clips = [read_clip(u) for u in list(read_manifest(demo_model.parent / language / "test.jsonl"))]
    found = []
    for path in (demo_model, ct2_model):
        decoding = Decoding(language=language, audio_context="full", word_timestamps=True)
        found.append(WindowDecoder(open_engine(str(path)), decoding).transcripts(clips[:4]))
    for ours, theirs, clip in zip(*found, clips, strict=False):
        assert "".join(w.text for s in ours.segments for w in s.words).strip() == ours.text
        starts = [word.start for segment in ours.segments for word in segment.words]
        assert starts == sorted(starts)
        assert 0 <= starts[0] <= starts[-1] <= clip.seconds
        for one, other in zip(ours.segments, theirs.segments, strict=True):
            assert [w.text for w in one.words] == [w.text for w in other.words]
            assert [w.start for w in one.words] == pytest.approx(
                [w.start for w in other.words], abs=0.021
            )
            assert [w.probability for w in one.words] == pytest.approx(
                [w.probability for w in other.words], abs=1e-3
            )


def test_marks_belong_to_their_words(demo_model: Path):
    encoder = open_engine(str(demo_model)).label_encoder("en", "transcribe")
    ids = encoder.text_ids('He said, "stop (now)."', "en")
    times = tuple(0.1 * place for place in range(len(ids) + 1))
    words = words_of(encoder, ids, Alignment(times, (0.5,) * len(ids)), "en")
    assert [word.text for word, _ in words] == [" He", " said,", ' "stop', ' (now)."']
    assert sum(count for _, count in words) == len(ids)
    assert {word.probability for word, _ in words} == {0.5}
