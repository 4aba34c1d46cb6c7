"""pseudo_label.py: recordings become labelled pieces; nothing is done twice, nothing is lost."""

from __future__ import annotations

import functools
import hashlib
import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile

import pseudo_label
from utils.audio.decode import AudioError
from utils.audio.load import load_audio
from utils.audio.recording import store_mono
from utils.audio.vad import speech_of
from utils.cli.errors import UserError
from utils.manifest.read import read_manifest
from utils.manifest.utterance import Utterance
from utils.model.load import load_model
from utils.scoring.predictions import Prediction
from utils.scoring.score import score_predictions
from utils.transcription.confidence import confidences
from utils.transcription.pseudo import labels as pseudo_labels
from utils.transcription.pseudo import recordings as pseudo_recordings
from utils.transcription.transcribe import Decoding

OUTPUT = Path("dataset/pseudo")


@pytest.fixture(scope="module")
def talk(tmp_path_factory: pytest.TempPathFactory, repository: Path) -> Path:
    """Demo sentences in a row with pauses: 8 s of speech, 4 s of silence, 8 s of speech."""
    sentences = list(read_manifest(repository / "demo" / "en" / "train.jsonl"))[:10]
    rng = np.random.default_rng(0)
    pieces = []
    for number, each in enumerate(sentences):
        samples = load_audio(each.audio)
        pieces += [samples, np.zeros(64000 if number == 4 else 6400, np.float32)]
    sound = np.concatenate(pieces) + rng.normal(0, 1e-4, sum(map(len, pieces)))
    path = tmp_path_factory.mktemp("talks") / "talk.wav"
    soundfile.write(path, np.stack([sound, 0.5 * sound], axis=1), 16000)
    return path


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny_model: Path) -> list[str]:
    """An empty current folder; and the flags that every run here shares."""
    monkeypatch.chdir(tmp_path)
    return [f"--model_path={tiny_model}", "--language=en", "--max_compression_ratio=100"]


def run(*flags: str) -> list[Utterance]:
    pseudo_label.main(flags)
    return list(read_manifest(OUTPUT / "train.json"))


def left_out() -> list[str]:
    lines = (OUTPUT / "left_out.jsonl").read_text("utf-8").splitlines()
    return sorted(json.loads(each)["reason"].split(":")[0] for each in lines)


def test_a_recording_is_cut_in_silence_labelled_and_measured(here: list[str], talk: Path) -> None:
    before = hashlib.sha256(talk.read_bytes()).hexdigest()
    found = run(*here, f"--audio={talk}", "--max_len=12", "--second_num_beams=2")
    assert hashlib.sha256(talk.read_bytes()).hexdigest() == before
    assert len(found) >= 2
    length = soundfile.info(talk).duration
    for each in found:
        assert each.sentence and each.language == "en" and each.source == str(talk)
        assert each.duration is not None and 5.0 <= each.duration <= 12.0
        assert 0 <= (each.audio.start_time or 0) < (each.audio.end_time or 0) <= length
        assert 0 < each.extra["confidence"] <= 1
        assert each.extra["compression_ratio"] > 0
        assert 0 <= each.extra["disagreement"] <= 1
        assert isinstance(each.extra["second_text"], str)
        info = soundfile.info(each.audio.path)
        assert (info.samplerate, info.channels) == (16000, 1)
    log = (OUTPUT / "pseudo_label.log").read_text("utf-8")
    assert f"{talk}: {length:.1f} s decoded to" in log
    assert f"pieces of {length:.1f} s" in log


def test_windows_overlap_as_asked(here: list[str], talk: Path) -> None:
    found = run(*here, f"--audio={talk}", "--window=10", "--overlap=2")
    times = [(each.audio.start_time, each.audio.end_time) for each in found]
    assert times[:2] == [(0.0, 10.0), (8.0, 18.0)]


def test_what_was_done_is_not_done_again(
    here: list[str], talk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flags = [*here, f"--audio={talk}", "--window=5", "--batch_size=1"]
    transcribe = pseudo_labels.transcribe
    labelled: list[str] = []

    def killed(loaded: object, pieces: list[Utterance], *rest: object, **more: object) -> object:
        if labelled:
            raise KeyboardInterrupt
        labelled.extend(each.id for each in pieces)
        return transcribe(loaded, pieces, *rest, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(pseudo_labels, "transcribe", killed)
    monkeypatch.setattr(pseudo_labels, "BATCHES_A_STEP", 2)
    with pytest.raises(KeyboardInterrupt):
        run(*flags)
    assert len(labelled) == 2
    first = list(labelled)

    def counted(loaded: object, pieces: list[Utterance], *rest: object, **more: object) -> object:
        labelled.extend(each.id for each in pieces)
        return transcribe(loaded, pieces, *rest, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(pseudo_labels, "transcribe", counted)
    monkeypatch.setattr(pseudo_recordings, "store_mono", None)  # decoded already
    found = run(*flags)
    assert len(labelled) == len(set(labelled)) == len(found) > len(first)
    # Other thresholds cost no labelling.
    sure = sorted(each.extra["confidence"] for each in found)
    kept = run(*flags, f"--min_confidence={sure[1]}")
    assert len(kept) == len(found) - 1
    assert left_out() == ["low confidence"]
    assert len(labelled) == len(found)
    assert run(*flags) == found
    monkeypatch.undo()


def test_labels_that_disagree_or_repeat_are_left_out(here: list[str], talk: Path) -> None:
    flags = [f"--audio={talk}", "--window=10", "--second_num_beams=3"]
    found = run(*here, *flags)
    most = min(each.extra["disagreement"] for each in found)
    agreed = [each for each in found if each.extra["disagreement"] <= most]
    assert len(run(*here, *flags, f"--max_disagreement={most}")) == len(agreed)
    assert left_out() == ["labels disagree"] * (len(found) - len(agreed))
    with pytest.raises(UserError, match="no utterance has both audio and text"):
        run(*here, *flags, "--max_compression_ratio=0.01")
    assert set(left_out()) == {"repeats itself"}


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (["--audio=none.wav"], "there is no recording none.wav"),
        (["--audio=a", "--overlap=2"], "--overlap=2 is for windows"),
        (["--audio=a", "--max_disagreement=0.1"], "compares two texts, but there is only one"),
        (["--audio=a", "--max_len=40"], "--max_len=40"),
        (["--audio=a", "--window=31"], "--window=31"),
        ([], "missing: --audio"),
    ],
)
def test_settings_that_cannot_work_are_named(
    here: list[str], flags: list[str], expected: str
) -> None:
    with pytest.raises(UserError) as caught:
        run(*here, *flags)
    assert expected in caught.value.message


def test_recordings_that_cannot_be_read_are_named_and_the_others_labelled(
    here: list[str], talk: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "brought"
    folder.mkdir()
    (folder / "broken.mp3").write_bytes(b"no sound")
    (folder / "empty.wav").write_bytes(b"")
    soundfile.write(folder / "silent.wav", np.zeros(160000), 16000)
    found = run(*here, f"--audio={folder},{talk}")
    assert {each.source for each in found} == {str(talk)}
    assert left_out() == ["no speech found", "unreadable audio", "unreadable audio"]


# ---------------------------------------------------------------------------------------------
# From the web.


class Handler(SimpleHTTPRequestHandler):
    """Serves a folder and remembers what was asked for."""

    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        super().do_GET()

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def site(
    tmp_path: Path, talk: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[str, list[str]]]:
    """A loopback server with a feed of three recordings, of which one is gone."""
    pytest.importorskip("yt_dlp")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    folder = tmp_path / "site"
    folder.mkdir()
    samples, rate = soundfile.read(talk)
    for name, part in (
        ("one", samples[: len(samples) // 2]),
        ("three", samples[len(samples) // 2 :]),
    ):
        soundfile.write(folder / f"{name}.mp3", part, rate)
    handler = type("Remembering", (Handler,), {"asked": []})
    with ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(handler, directory=folder)
    ) as server:
        url = f"http://127.0.0.1:{server.server_port}"
        items = "".join(
            f"<item><title>{name}</title><link>{url}/{name}.mp3</link>"
            f'<enclosure url="{url}/{name}.mp3" type="audio/mpeg"/></item>'
            for name in ("one", "two", "three")
        )
        channel = f"<channel><title>x</title>{items}</channel>"
        feed = f'<?xml version="1.0"?><rss version="2.0">{channel}</rss>'
        (folder / "feed.xml").write_text(feed)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield url, handler.asked
        server.shutdown()


@pytest.mark.timeout(600)
def test_a_playlist_with_a_dead_entry_gives_the_others_and_is_not_downloaded_twice(
    here: list[str], site: tuple[str, list[str]]
) -> None:
    url, asked = site
    found = run(*here, f"--audio={url}/feed.xml", "--window=10")
    names = {Path(each.source or "").name.split("#")[1].split("-")[1] for each in found}
    assert names == {"one", "three"}
    assert left_out() == ["cannot be downloaded"]
    assert "two" in (OUTPUT / "left_out.jsonl").read_text("utf-8")
    full = [path for path in asked if path in ("/one.mp3", "/three.mp3")]
    asked.clear()
    again = run(*here, f"--audio={url}/feed.xml", "--window=10")
    assert again == found
    assert full
    assert [path for path in asked if path in ("/one.mp3", "/three.mp3")] == []


# ---------------------------------------------------------------------------------------------
# Parts.


def test_any_recording_is_stored_as_16_khz_mono(tmp_path: Path) -> None:
    rate, seconds = 44100, 3.0
    times = np.arange(round(rate * seconds)) / rate
    tone = 0.4 * np.sin(2 * np.pi * 440 * times)
    source, target = tmp_path / "a.ogg", tmp_path / "out" / "a.flac"
    soundfile.write(source, np.stack([tone, tone], axis=1), rate)
    assert store_mono(source, target) == pytest.approx(seconds, abs=0.05)
    samples, found_rate = soundfile.read(target)
    assert found_rate == 16000 and samples.ndim == 1
    spectrum = np.abs(np.fft.rfft(samples[:16000]))
    assert spectrum.argmax() == pytest.approx(440, abs=2)
    with pytest.raises(AudioError, match="is missing or empty"):
        store_mono(tmp_path / "none.wav", target)


def test_speech_is_found_where_somebody_speaks(talk: Path, tmp_path: Path) -> None:
    stored = tmp_path / "talk.flac"
    length = store_mono(talk, stored)
    speech = speech_of(stored, length, 30.0)
    pauses = [b[0] - a[1] for a, b in pairwise(speech)]
    assert max(pauses) > 3.0  # the pause of four seconds
    assert sum(end - start for start, end in speech) > 0.5 * length


def test_a_text_that_was_said_is_surer_than_another(demo_model: Path, repository: Path) -> None:
    loaded = load_model(str(demo_model))
    said = list(read_manifest(repository / "demo" / "en" / "train.jsonl"))[:6]
    swapped = [
        replace(a, sentence=b.sentence) for a, b in zip(said, said[1:] + said[:1], strict=True)
    ]
    right = confidences(loaded, said, Decoding(batch_size=4))
    wrong = confidences(loaded, swapped, Decoding(batch_size=4))
    assert all(0 <= each <= 1 for each in [*right, *wrong])
    assert np.mean(right) > np.mean(wrong)
    alone = [confidences(loaded, [each], Decoding())[0] for each in said]
    if loaded.audio_context == "full":
        np.testing.assert_allclose(alone, right, rtol=1e-3)


@pytest.mark.requires_shared
@pytest.mark.timeout(900)
def test_long_recordings_become_training_data_that_is_scored(
    here: list[str], shared: Path, demo_model: Path
) -> None:
    """The road works; the bundled model is a toy, and its error rate says so."""
    folder = shared / "data" / "longform"
    names = {"zh_aishell_S0150_concat.flac": "zh", "en_michael_dialogue.wav": "en"}
    references = {
        Path(each.audio.path).name: each.sentence for each in read_manifest(folder / "all.jsonl")
    }
    for name, language in names.items():
        found = run(
            f"--model_path={demo_model}",
            f"--audio={folder / name}",
            f"--language={language}",
            "--output_dir=dataset/pseudo",
            "--max_compression_ratio=100",
        )
        assert all(5 <= (each.duration or 0) <= 30 for each in found)
        seconds = sum(each.duration or 0 for each in found)
        assert seconds > 0.6 * soundfile.info(folder / name).duration
        heard = " ".join(each.sentence for each in found)
        score = score_predictions(
            [Prediction(name, references[name], heard, language)], "cer", "basic@1"
        )
        assert score.rate is not None and score.rate > 0
