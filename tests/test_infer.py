"""infer.py: any sound to transcripts; the text is evaluation's, nothing is done twice or lost."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import sys
import threading
from dataclasses import replace
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

import infer
from utils.audio.clip import AudioRef
from utils.audio.load import load_audio
from utils.cli.errors import UserError
from utils.export.ggml import write as write_ggml
from utils.manifest.read import read_manifest
from utils.manifest.utterance import Utterance
from utils.model.load import load_model
from utils.model.official_names import official_name
from utils.parallel.journal import Journal
from utils.parallel.shards import parse_shard
from utils.transcription.decoding import Decoding
from utils.transcription.engines import whisper_cpp
from utils.transcription.engines.openai import load_openai
from utils.transcription.engines.registry import open_engine
from utils.transcription.engines.whisper_cpp import WhisperCpp
from utils.transcription.infer.inputs import find_sources
from utils.transcription.infer.sound import StoredSamples, read_samples
from utils.transcription.transcribe import transcribe_with_engine
from utils.transcription.windows import WindowDecoder

RATE = 16_000
FORMS = ("txt", "vtt", "srt", "tsv", "json")


@pytest.fixture(scope="module")
def clips(demo_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of demo sentences in both languages."""
    folder = tmp_path_factory.mktemp("clips")
    for language in ("zh", "en"):
        for each in list(read_manifest(demo_model.parent / language / "test.jsonl"))[:4]:
            path = folder / language / f"{each.id.replace('/', '-')}.wav"
            path.parent.mkdir(exist_ok=True)
            soundfile.write(path, load_audio(each.audio), RATE)
    return folder


@pytest.fixture(scope="module")
def talk(demo_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A minute of demo sentences with pauses, some of them long."""
    sentences = list(read_manifest(demo_model.parent / "en" / "train.jsonl"))[:24]
    rng = np.random.default_rng(0)
    pieces = []
    for number, each in enumerate(sentences):
        pause = 4.0 if number % 6 == 5 else 0.4
        pieces += [load_audio(each.audio), np.zeros(round(pause * RATE), np.float32)]
    sound = np.concatenate(pieces) + rng.normal(0, 1e-4, sum(map(len, pieces)))
    path = tmp_path_factory.mktemp("talks") / "talk.flac"
    soundfile.write(path, sound, RATE)
    assert len(sound) > 40 * RATE
    return path


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, demo_model: Path, capsys: Any) -> Any:
    """Run infer.py in an empty folder; returns its exit code and what it said."""
    monkeypatch.chdir(tmp_path)

    def call(*flags: str, model: Path = demo_model) -> SimpleNamespace:
        code = infer.main([f"--model_path={model}", "--output_dir=out", *flags])
        said = capsys.readouterr().out
        return SimpleNamespace(code=code, said=said, last=said.splitlines()[-1])

    return call


def texts(folder: Path = Path("out")) -> dict[str, dict[str, Any]]:
    return {
        str(path.relative_to(folder).with_suffix("")): json.loads(path.read_text())
        for path in folder.rglob("*.json")
    }


def evaluated(model: Path, paths: list[Path], **options: Any) -> dict[str, str]:
    """What evaluation.py makes of the files, by their names."""
    utterances = [Utterance(AudioRef(str(path)), "", str(path)) for path in paths]
    decoding = replace(Decoding(temperature_fallback=True), **options)
    found = transcribe_with_engine(lambda: open_engine(str(model)), utterances, decoding)
    return {path.stem: p.hypothesis for path, p in zip(paths, found.predictions, strict=True)}


@pytest.fixture(scope="module")
def ggml(demo_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's model for whisper.cpp."""
    pytest.importorskip("pywhispercpp", reason="pywhispercpp is an extra")
    folder = tmp_path_factory.mktemp("ggml")
    write_ggml(load_model(str(demo_model)), folder, "f16")
    (folder / "conversion.json").write_text("{}")
    return folder


def test_whisper_cpp_transcribes_too(run, clips, demo_model, ggml):
    flags = (f"--audio_path={clips / 'en'}", "--language=en", "--output_format=json")
    expected = evaluated(demo_model, sorted((clips / "en").iterdir()), audio_context="full")
    # Without sampling, in which every program draws other numbers.
    plain = ("--temperature_increment_on_fallback=None",)
    assert run(*flags, *plain, model=ggml).code == 0
    theirs = {name: value["text"] for name, value in texts().items()}
    assert sum(theirs[name] == expected[name] for name in expected) >= 2
    assert run(*flags, *plain, model=ggml).last.startswith("0 transcribed, 0 failed, 4 were done")
    with pytest.raises(UserError, match="word_timestamps is not for GGML"):
        run(*flags, "--word_timestamps=True", model=ggml)


@pytest.mark.parametrize("cutting", ["--vad_filter=False", "--vad_filter=True"])
def test_a_killed_run_of_whisper_cpp_goes_on(run, talk, clips, ggml, monkeypatch, cutting):
    monkeypatch.setattr(whisper_cpp, "BLOCK_SAMPLES", 30 * RATE)
    first = sorted((clips / "en").iterdir())[0]
    flags = [f"--audio_path={talk},{first}", "--language=en", "--output_format=json", cutting]
    flags += ["--engine=ggml", "--temperature_increment_on_fallback=None"]
    assert run(*flags, "--output_dir=whole", model=ggml).code == 0
    transcribe, asked = WhisperCpp.transcribe, []

    def killed(self: WhisperCpp, samples: np.ndarray, **options: Any) -> Any:
        asked.append(samples.tobytes())
        if len(asked) == 2:
            raise KeyboardInterrupt
        return transcribe(self, samples, **options)

    monkeypatch.setattr(WhisperCpp, "transcribe", killed)
    with pytest.raises(KeyboardInterrupt):
        run(*flags, model=ggml)
    assert run(*flags, model=ggml).code == 0
    # What was cut off is decoded again, and nothing else is.
    assert asked[1] == asked[2]
    assert len(set(asked)) == len(asked) - 1
    assert texts() == texts(Path("whole"))
    assert texts()["talk"]["segments"][-1]["end"] > 40


@pytest.mark.parametrize("kept", [3, 5000, 2_000_000])
@pytest.mark.parametrize("name", ["ggml-damaged.bin", "damaged.pt"])
def test_a_damaged_model_file_is_one_sentence(run, clips, ggml, tmp_path, kept, name):
    whole = ggml / "ggml-model.bin"
    if name.endswith(".pt"):
        whole = tmp_path / "whole.pt"
        torch.save({"dims": {"n_mels": 80}, "model_state_dict": {"x": torch.zeros(10**6)}}, whole)
    (tmp_path / name).write_bytes(whole.read_bytes()[:kept])
    with pytest.raises(UserError) as caught:
        run(f"--audio_path={clips / 'en'}", model=tmp_path / name)
    assert name in caught.value.message
    assert caught.value.hint


@pytest.mark.requires_shared
def test_a_pt_file_says_what_its_model_says(run, shared, tmp_path):
    pytest.importorskip("whisper", reason="openai-whisper is an extra")
    model = load_model(str(shared / "models" / "whisper-base"))
    config = model.whisper.config
    dims = {
        **{"n_mels": 80, "n_audio_ctx": 1500, "n_text_ctx": 448, "n_vocab": config.vocab_size},
        **{"n_audio_state": config.d_model, "n_text_state": config.d_model},
        **{"n_audio_head": 8, "n_text_head": 8, "n_audio_layer": 6, "n_text_layer": 6},
    }
    state = model.whisper.state_dict()
    weights = {official_name(k): v.half() for k, v in state.items() if k != "proj_out.weight"}
    torch.save({"dims": dims, "model_state_dict": weights}, tmp_path / "base.pt")
    jfk = shared / "data" / "en_single" / "jfk.flac"
    assert run(f"--audio_path={jfk}", model=tmp_path / "base.pt").code == 0
    assert texts()["jfk"]["text"] == evaluated(shared / "models" / "whisper-base", [jfk])["jfk"]
    text = "Ünïcödé, 今天天气很好 and 3.14 dollars' worth"
    ours = load_openai(str(tmp_path / "base.pt")).label_encoder()
    theirs = model.label_encoder()
    assert ours.text_ids(text, "en") == theirs.text_ids(text, "en")
    assert ours.prompt("yue" if "<|yue|>" in ours.special_ids else "zh", "translate") == (
        theirs.prompt("zh", "translate")
    )


def test_a_killed_run_of_sequential_windows_goes_on_where_it_was(run, talk, monkeypatch):
    flags = (f"--audio_path={talk}", "--language=en", "--vad_filter=False")
    assert run(*flags, "--output_dir=whole", "--condition_on_previous_text=True").code == 0
    windows, decoded = WindowDecoder._next_windows, []

    def killed(self: WindowDecoder, recordings: Any) -> Any:
        decoded.append(recordings[0].seek)
        if len(decoded) == 2:
            raise KeyboardInterrupt
        return windows(self, recordings)

    monkeypatch.setattr(WindowDecoder, "_next_windows", killed)
    with pytest.raises(KeyboardInterrupt):
        run(*flags, "--condition_on_previous_text=True")
    assert run(*flags, "--condition_on_previous_text=True").code == 0
    # The window that was cut off is decoded again, those before it are not.
    assert decoded[0] == 0 < decoded[1] == decoded[2]
    assert decoded == sorted(decoded)
    assert texts() == texts(Path("whole"))


def test_every_format_has_the_same_segments_with_times(run, talk, clips):
    flags = (f"--audio_path={talk},{clips / 'en'}", "--language=en")
    assert run(*flags, "--output_format=all").code == 0
    found = {form: {p.stem: p.read_text() for p in Path("out").glob(f"*.{form}")} for form in FORMS}
    assert run(*flags, "--output_format=srt", "--output_dir=srt").code == 0
    assert {p.stem: p.read_text() for p in Path("srt").glob("*.srt")} == found["srt"]
    for name, value in texts().items():
        segments = value["segments"]
        assert found["srt"][name].count(" --> ") == len(segments) == found["txt"][name].count("\n")
        assert " ".join(s["text"] for s in segments).split() == value["text"].split()
        times = [time for s in segments for time in (s["start"], s["end"])]
        assert times == sorted(times)
    # Of a minute, no segment is longer than a subtitle may be.
    assert max(s["end"] - s["start"] for s in texts()["talk"]["segments"]) < 15


@pytest.mark.parametrize("engine", ["transformers", "ctranslate2"])
def test_text_is_that_of_evaluation_on_every_clip(run, clips, demo_model, ct2_model, engine):
    model = demo_model if engine == "transformers" else ct2_model
    done = run(f"--audio_path={clips}", "--batch_size=3", model=model)
    assert done.code == 0
    assert done.last == "8 transcribed, 0 failed; wrote out"
    expected = evaluated(model, sorted(clips.rglob("*.wav")), batch_size=3)
    found = {Path(name).name: value["text"] for name, value in texts().items()}
    assert found == expected
    assert all(found.values())
    # A folder's inner folders are kept, and every format is there.
    names = {
        path.relative_to("out").as_posix() for path in Path("out").rglob("*") if path.is_file()
    }
    assert {f"zh/{Path(n).name}" for n in names if n.startswith("zh/")}
    assert len(names) == 8 * 5 + 1


def test_sequential_windows_are_those_of_evaluation(run, talk, demo_model):
    done = run(f"--audio_path={talk}", "--vad_filter=False", "--language=en")
    assert done.code == 0
    expected = evaluated(demo_model, [talk], language="en")
    assert {name: value["text"] for name, value in texts().items()} == expected


def test_a_long_recording_is_cut_at_pauses_and_its_times_grow(run, talk):
    done = run(f"--audio_path={talk}", "--language=English", "--word_timestamps=True")
    assert done.code == 0
    result = texts()["talk"]
    segments = result["segments"]
    starts = [segment["start"] for segment in segments]
    assert len(segments) > 2
    assert starts == sorted(starts)
    assert 30 < segments[-1]["end"] <= load_audio(AudioRef(str(talk))).size / RATE
    assert "".join(w["word"] for w in segments[0]["words"]).split() == segments[0]["text"].split()
    # Each was said as it came.
    assert done.said.count(" --> ") == len(segments)


def test_silence_and_noise_of_minutes_hold_no_word(run, tmp_path):
    rng = np.random.default_rng(0)
    soundfile.write(tmp_path / "silence.flac", np.zeros(120 * RATE), RATE)
    soundfile.write(tmp_path / "noise.flac", rng.normal(0, 0.05, 120 * RATE), RATE)
    assert run("--audio_path=silence.flac,noise.flac").code == 0
    assert [value["text"] for value in texts().values()] == ["", ""]


def test_what_is_broken_is_named_and_the_others_go_on(run, clips, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    good = sorted(clips.rglob("*.wav"))[0]
    whole = good.read_bytes()
    (folder / "good.wav").write_bytes(whole)
    (folder / "half.wav").write_bytes(whole[: len(whole) // 2])
    (folder / "empty.mp3").write_bytes(b"")
    (folder / "text.m4a").write_text("this is no sound")
    nan = np.full(RATE, np.nan, np.float32)
    soundfile.write(folder / "nan.wav", nan, RATE, subtype="FLOAT")
    done = run("--audio_path=in,missing.wav", "--output_format=txt")
    assert done.code == 1
    assert done.last == "1 transcribed, 5 failed; wrote out"
    failures = [line for line in done.said.splitlines() if ": failed: " in line]
    assert [line.partition(":")[0] for line in sorted(failures)] == [
        *("in/empty.mp3", "in/half.wav", "in/nan.wav", "in/text.m4a", "missing.wav"),
    ]
    assert [path.name for path in Path("out").glob("*.*")] == ["good.txt"] or {
        path.name for path in Path("out").iterdir()
    } == {"good.txt", "infer.jsonl"}


def test_eight_channels_and_a_film_are_heard(run, clips, tmp_path):
    av = pytest.importorskip("av")
    good = sorted(clips.rglob("*.wav"))[0]
    samples = load_audio(AudioRef(str(good)))
    soundfile.write(tmp_path / "eight.wav", np.repeat(samples[:, None], 8, axis=1), RATE)
    with av.open(str(tmp_path / "film.mp4"), "w") as film:
        picture, sound = film.add_stream("mpeg4", rate=10), film.add_stream("aac", rate=RATE)
        picture.width = picture.height = 64
        picture.pix_fmt = "yuv420p"
        for _ in range(5):
            frame = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")
            film.mux(picture.encode(frame))
        frame = av.AudioFrame.from_ndarray(samples[None], format="fltp", layout="mono")
        frame.sample_rate = RATE
        film.mux(sound.encode(frame))
        film.mux(picture.encode(None))
        film.mux(sound.encode(None))
    assert run("--audio_path=eight.wav,film.mp4").code == 0
    found = texts()
    assert found["eight"]["text"]
    assert found["film"]["text"]


def test_finished_files_are_skipped_until_something_changes(run, clips, tmp_path):
    shutil.copytree(clips / "en", tmp_path / "in")
    flags = ("--audio_path=in", "--output_format=srt", "--language=en")
    assert run(*flags).last == "4 transcribed, 0 failed; wrote out"
    assert run(*flags).last == "0 transcribed, 0 failed, 4 were done before; wrote out"
    next(Path("out").glob("*.srt")).unlink()
    changed = sorted(Path("in").iterdir())[-1]
    soundfile.write(changed, np.zeros(RATE), RATE)
    assert run(*flags).last in (
        "2 transcribed, 0 failed, 2 were done before; wrote out",
        "1 transcribed, 0 failed, 3 were done before; wrote out",
    )
    assert run(*flags, "--beam_size=2").last == "4 transcribed, 0 failed; wrote out"
    assert run(*flags, "--beam_size=2", "--resume=False").last.startswith("4 transcribed")


def test_a_killed_run_goes_on_within_a_recording(run, talk, monkeypatch):
    flags = (f"--audio_path={talk}", "--language=en", "--batch_size=1")
    whole = run(*flags, "--output_dir=whole")
    assert whole.code == 0
    decode, asked = WindowDecoder.transcripts, []

    def killed(self: WindowDecoder, batch: Any, listen: Any = None) -> Any:
        asked.append(len(batch))
        if len(asked) == 2:
            raise KeyboardInterrupt
        return decode(self, batch, listen)

    monkeypatch.setattr(WindowDecoder, "transcripts", killed)
    with pytest.raises(KeyboardInterrupt):
        run(*flags)
    assert not list(Path("out").glob("talk.*"))
    asked[:] = [0, 0]
    assert run(*flags).code == 0
    stretches = Path("out/infer.jsonl").read_text().count("\n") - 1
    assert len(asked) - 2 == stretches - 1
    assert texts() == texts(Path("whole"))


def test_standard_input_patterns_shards_and_names(run, clips, tmp_path, monkeypatch):
    good = sorted((clips / "en").iterdir())[0]
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(good.read_bytes())))
    assert run("--audio_path=-").code == 0
    assert texts()["stdin"]["text"]
    assert not Path("out/.standard-input").exists()
    (tmp_path / "in").mkdir()
    for name in ("one.wav", "two.wav", "three.wav", "with, comma.wav"):
        shutil.copy(good, tmp_path / "in" / name)
    soundfile.write(tmp_path / "in" / "one.flac", load_audio(AudioRef(str(good))), RATE)
    names = set()
    for part in ("1/2", "2/2"):
        assert run("--audio_path=in/*", f"--shard={part}", "--output_dir=parts").code == 0
    names = {path.name for path in Path("parts").glob("*.txt")}
    assert names == {"one.wav.txt", "one.flac.txt", "two.txt", "three.txt", "with, comma.txt"}
    assert run("--audio_path=in/with, comma.wav", "--output_dir=comma").code == 0
    assert Path("comma/with, comma.txt").is_file()


def test_pages_and_feeds_are_downloaded_once_and_dead_ones_named(tmp_path, clips, monkeypatch):
    pytest.importorskip("yt_dlp", reason="yt-dlp is an extra")
    monkeypatch.chdir(tmp_path)
    good = sorted((clips / "en").iterdir())[0]
    for name in ("direct.wav", "first.wav", "second.wav"):
        shutil.copy(good, tmp_path / name)

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *args: Any) -> None:
            asked.append(self.path)

    asked: list[str] = []
    with ThreadingHTTPServer(("127.0.0.1", 0), Quiet) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        items = "".join(
            f"<item><title>{name}</title><link>{url}/{name}.wav</link>"
            f'<enclosure url="{url}/{name}.wav" type="audio/wav"/></item>'
            for name in ("first", "gone", "second")
        )
        channel = f"<channel><title>talks</title>{items}</channel>"
        (tmp_path / "feed.xml").write_text(f'<rss version="2.0">{channel}</rss>')
        journal = Journal(tmp_path / "out" / "infer.jsonl")
        named = [f"{url}/direct.wav", f"{url}/feed.xml"]
        found, missing = find_sources(named, tmp_path / "out", journal, parse_shard(None))
        assert [each.path.read_bytes() == good.read_bytes() for each in found] == [True] * 3
        assert [each.id for each in missing] == [f"{url}/gone.wav"]
        assert len({each.stem for each in found}) == 3
        asked.clear()
        again, _ = find_sources(named, tmp_path / "out", journal, parse_shard(None))
        assert [each.path for each in again] == [each.path for each in found]
        assert not [path for path in asked if path in ("/direct.wav", "/first.wav", "/second.wav")]
        server.shutdown()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--audio_path=in"], "holds no sound"),
        (["--audio_path=*.nothing"], "no file is called"),
        (["--audio_path=,"], "names nothing"),
        (["--language=Klingon"], "no language that Whisper knows"),
        (["--engine=tensorflow"], "unknown engine"),
        (["--device=tpu"], "no device"),
        (["--device=cuda:7"], "no GPU was found"),
        (["--patience=2"], "CTranslate2"),
        (["--clip_timestamps=5,2"], "--clip_timestamps=5,2"),
        (["--clip_timestamps=a"], "--clip_timestamps=a"),
        (["--suppress_tokens=1,x"], "--suppress_tokens=1,x"),
        (["--highlight_words=True"], "--highlight_words"),
        (["--beam_size=0"], "--beam_size is 0"),
        (["--temperature=2"], "--temperature is 2"),
        (["--shard=3/2"], "--shard=3/2"),
        (["--model_path=no/such/model"], "no model folder"),
    ],
)
def test_unusable_flags_end_with_a_sentence(run, clips, flags, message, tmp_path):
    (tmp_path / "in").mkdir()
    first = sorted((clips / "en").iterdir())[0]
    with pytest.raises(UserError) as caught:
        run(f"--audio_path={first}", *flags) if not flags[0].startswith("--audio") else run(*flags)
    assert message in caught.value.message
    assert caught.value.hint


def test_clips_of_a_recording_prompts_and_suppressed_tokens(run, talk, demo_model):
    flags = (f"--audio_path={talk}", "--language=en", "--output_format=json")
    run(*flags, "--clip_timestamps=0,8,20,30")
    segments = texts()["talk"]["segments"]
    assert all(s["start"] < 8.01 or 20 <= s["start"] < 30.01 for s in segments)
    assert {s["start"] >= 20 for s in segments} == {False, True}
    ids = segments[0]["tokens"][0]
    run(*flags, "--clip_timestamps=0,8", "--suppress_tokens=-1", "--output_dir=same")
    assert texts(Path("same"))["talk"]["segments"][0]["tokens"][0] == ids
    run(*flags, "--clip_timestamps=0,8", f"--suppress_tokens={ids}", "--output_dir=without")
    assert ids not in [t for s in texts(Path("without"))["talk"]["segments"] for t in s["tokens"]]
    windowed = ("--vad_filter=False", "--temperature_increment_on_fallback=None")
    run(*flags, *windowed, "--condition_on_previous_text=True", "--hotwords=singing")
    assert texts()["talk"]["text"]


def test_the_microphone_that_is_not_there_is_one_sentence(run, monkeypatch):
    class NoDeviceError(Exception):
        pass

    def refuse(**options: Any) -> None:
        raise NoDeviceError("Error querying device -1")

    fake = SimpleNamespace(PortAudioError=NoDeviceError, InputStream=refuse)
    monkeypatch.setitem(sys.modules, "sounddevice", fake)
    with pytest.raises(UserError, match="microphone cannot be recorded: Error querying device"):
        run("--audio_path=microphone")
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(UserError, match="need sounddevice"):
        run("--audio_path=microphone")


def test_a_microphone_is_recorded_until_nobody_speaks(run, clips, monkeypatch):
    samples = load_audio(AudioRef(str(sorted((clips / "en").iterdir())[0])))
    sound = np.concatenate([samples, np.zeros(20 * RATE, np.float32)])
    blocks = [sound[i : i + RATE // 10, None] for i in range(0, len(sound), RATE // 10)]

    class Stream:
        def __init__(self, callback: Any, **options: Any) -> None:
            for block in blocks:
                callback(block, len(block), None, None)

        def __enter__(self) -> None:
            return None

        def __exit__(self, *error: object) -> None:
            return None

    fake = SimpleNamespace(PortAudioError=OSError, InputStream=Stream)
    monkeypatch.setitem(sys.modules, "sounddevice", fake)
    monkeypatch.setattr("utils.transcription.infer.microphone.BETWEEN_LOOKS", 0.0)
    assert run("--audio_path=microphone", "--stop_after_silence=2", "--language=en").code == 0
    recording = next(Path("out").glob("microphone-*.flac"))
    seconds = soundfile.info(recording).duration
    assert len(samples) / RATE < seconds < len(samples) / RATE + 4
    assert texts()[recording.stem]["text"]


def test_a_long_recording_lies_on_the_disk_as_it_would_in_memory(tmp_path):
    rng = np.random.default_rng(0)
    path = tmp_path / "long.wav"
    soundfile.write(path, rng.uniform(-0.5, 0.5, (200 * 44_100, 2)), 44_100)
    stored = read_samples(path, tmp_path)
    whole = load_audio(AudioRef(str(path)))
    assert isinstance(stored, StoredSamples)
    assert abs(len(stored) - len(whole)) <= 1
    for begin, end in ((0, 1000), (RATE * 100, RATE * 101), (len(whole) - 50, len(whole))):
        np.testing.assert_allclose(
            stored[begin:end], whole[begin : len(stored)][: end - begin], atol=2e-3
        )
    assert sorted(each.name for each in tmp_path.iterdir()) == ["long.wav"]


def test_a_full_disk_leaves_no_half_transcripts(tmp_path, clips, demo_model, repository):
    code = (
        "import resource, signal, sys, infer\n"
        "from utils.cli.errors import run_script\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (600, 600))\n"
        "sys.exit(run_script(infer.main))\n"
    )
    flags = [
        f"--audio_path={clips / 'en'}",
        f"--model_path={demo_model}",
        f"--output_dir={tmp_path}",
    ]
    done = subprocess.run(
        [sys.executable, "-c", code, *flags, "--output_format=json", "--word_timestamps=True"],
        capture_output=True,
        text=True,
        cwd=repository,
    )
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.glob("*.unfinished"))
