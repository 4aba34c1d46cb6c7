"""Kaldi folders as corpora publish them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

import custom
from utils.manifest.read import read_manifest


@pytest.mark.parametrize("place", ["train", "data/train"])
def test_paths_may_be_relative_to_a_folder_above(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    folder = tmp_path / "corpus" / place
    folder.mkdir(parents=True)
    (tmp_path / "corpus" / "WAVE").mkdir()
    soundfile.write(tmp_path / "corpus" / "WAVE" / "one  a.wav", np.full(16000, 0.1), 16000)
    (folder / "wav.scp").write_text("one  WAVE/one  a.wav\n")  # two spaces, twice
    (folder / "text").write_text("one   HELLO  THERE\n")
    (folder / "utt2lang").write_text("one  english\n")
    (folder / "utt2spk").write_text("one\tS1\n")
    monkeypatch.chdir(tmp_path)
    custom.main(["kaldi", f"--path={folder}", "--output_dir=out"])
    (read,) = read_manifest("out/train.json")
    assert (read.sentence, read.language, read.speaker) == ("HELLO THERE", "en", "S1")
