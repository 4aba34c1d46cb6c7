"""The window, driven as a person would: open, transcribe, hear, correct, export, cancel."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from pathlib import Path

import numpy as np
import pytest

import infer
import infer_gui
from utils.audio.clip import AudioRef
from utils.audio.devices import BLOCK
from utils.audio.load import load_audio
from utils.cli.errors import run_script
from utils.desktop.texts import TEXTS, Texts

pytest.importorskip("PySide6")
from utils.desktop import sound


@pytest.fixture(scope="module")
def window(settle, demo_model, tmp_path_factory):
    from utils.desktop.settings import GuiSettings
    from utils.desktop.window import Window

    recordings = tmp_path_factory.mktemp("recordings")
    made = Window(GuiSettings(model_path=str(demo_model), recordings_dir=str(recordings)), "en")
    made.show()
    yield made
    made.close()


@pytest.fixture(scope="module")
def expected(demo_model, talk, tmp_path_factory):
    """What infer.py writes of the same recording, a stretch at a time."""
    folder = tmp_path_factory.mktemp("expected")
    flags = [f"--audio_path={talk}", f"--model_path={demo_model}", f"--output_dir={folder}"]
    assert infer.main([*flags, "--output_format=json", "--batch_size=1"]) == 0
    return json.loads((folder / "talk.json").read_text("utf-8"))


def open_in(window, settle, path: Path) -> None:
    window.open(path)
    settle(lambda: window.path == path and not window.is_working)


def shown(window) -> list[str]:
    table = window.view.sentences
    return [table.text_of(row) for row in range(table.rowCount())]


def click(widget, position=None) -> None:
    from PySide6.QtCore import Qt
    from PySide6.QtTest import QTest

    place = [] if position is None else [position]
    QTest.mouseClick(widget, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, *place)


def test_a_cancelled_transcription_goes_on_where_it_was(window, settle, talk, expected):
    open_in(window, settle, talk)
    assert window.view.waveform.seconds == pytest.approx(
        len(load_audio(AudioRef(str(talk)))) / 16e3
    )
    click(window.view.start_button)
    settle(lambda: window.view.sentences.rowCount() > 0)
    click(window.view.cancel_button)
    before = window.view.sentences.rowCount()
    assert not window.is_working and 0 < before < len(expected["segments"])
    assert window.view.start_button.isEnabled() and not window.view.cancel_button.isEnabled()

    click(window.view.start_button)
    longest = settle(lambda: window.found is not None)
    assert window.found == expected
    assert shown(window) == [each["text"] for each in expected["segments"]]
    assert longest < 1.0, "the window did not answer for so many seconds"


def test_what_was_transcribed_before_is_there_at_once(window, settle, expected):
    process = window.recogniser._process.pid
    window.transcribe()
    settle(lambda: window.found is not None)
    assert window.found == expected and window.recogniser._process.pid == process


def test_a_clicked_sentence_is_heard_and_no_other(window, settle, talk, played):
    table = window.view.sentences
    before = played.stat().st_size if played.exists() else 0
    click(table.viewport(), table.visualItemRect(table.item(1, 1)).center())
    settle(lambda: not window.player.is_playing)
    start, end = (round(16_000 * each) for each in window.view.waveform.stretch)
    # Before and after, and where the sound is late, the loudspeaker is given zeros.
    heard = np.trim_zeros(np.fromfile(played, np.float32, offset=before))
    samples = load_audio(AudioRef(str(talk)))[start:end]
    np.testing.assert_array_equal(heard, np.trim_zeros(samples))


def test_a_click_on_the_wave_plays_from_there(window, settle, played):
    wave = window.view.waveform
    from PySide6.QtCore import QPoint

    click(wave, QPoint(wave.width() * 9 // 10, wave.height() // 2))
    settle(lambda: not window.player.is_playing)
    assert wave.position == pytest.approx(wave.seconds, abs=0.05)


def test_corrections_are_exported_in_every_format(window, settle, tmp_path):
    table = window.view.sentences
    table.item(0, 1).setText("as a person\nwrote it")
    for name in ("txt", "srt", "vtt", "json"):
        window.export(tmp_path / f"talk.{name}")
    assert (tmp_path / "talk.txt").read_text("utf-8").splitlines() == shown(window)
    assert shown(window)[0] == "as a person wrote it"
    assert (tmp_path / "talk.srt").read_text("utf-8").startswith("1\n00:00:00,")
    assert (tmp_path / "talk.vtt").read_text("utf-8").startswith("WEBVTT\n")
    saved = json.loads((tmp_path / "talk.json").read_text("utf-8"))
    assert [each["text"] for each in saved["segments"]] == shown(window)


def test_the_text_is_shown_as_it_is_wanted(window):
    table = window.view.sentences
    table.clear_all()
    table.language = "zh"
    table.add(0.0, 1.0, "電腦，開機。")
    assert shown(window) == ["电脑，开机。"]
    window.view.choices.marks.setChecked(False)
    assert shown(window) == ["电脑开机"] == [table.item(0, 1).text()]
    window.view.choices.simple.setChecked(False)
    assert shown(window) == ["電腦開機"]
    window.view.choices.simple.setChecked(True)
    window.view.choices.marks.setChecked(True)


def test_what_cannot_be_read_is_told(window, settle, tmp_path):
    from PySide6.QtWidgets import QMessageBox

    (tmp_path / "notes.wav").write_text("no sound")
    window.open(tmp_path / "notes.wav")
    settle(lambda: not window.is_working)
    [box] = [each for each in window.findChildren(QMessageBox) if each.isVisible()]
    assert "notes.wav" in box.text()
    box.close()
    assert window.path is None and not window.view.start_button.isEnabled()


def test_a_model_that_is_not_there_is_told(window, settle, talk, demo_model):
    from PySide6.QtWidgets import QMessageBox

    open_in(window, settle, talk)
    window.view.choices.add_model("models/no-such-model")
    window.transcribe()
    settle(lambda: not window.is_working)
    [box] = [each for each in window.findChildren(QMessageBox) if each.isVisible()]
    assert "models/no-such-model" in box.text() and box.informativeText()
    box.close()
    window.view.choices.add_model(str(demo_model))


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="a process cannot be killed so here")
def test_a_process_that_dies_is_told_and_replaced(window, settle, talk, expected):
    from PySide6.QtWidgets import QMessageBox

    window.transcribe()
    os.kill(window.recogniser._process.pid, signal.SIGKILL)
    settle(lambda: not window.is_working)
    [box] = [each for each in window.findChildren(QMessageBox) if each.isVisible()]
    assert "exit code -9" in box.text()
    box.close()
    window.transcribe()
    settle(lambda: window.found is not None)
    assert window.found == expected


class Spoken:
    """A microphone that hears a recording, ten times faster than it was spoken."""

    def __init__(self, samples: np.ndarray, take) -> None:
        self.thread = threading.Thread(target=self.speak, args=(samples, take))
        self.is_open = threading.Event()

    def speak(self, samples: np.ndarray, take) -> None:
        for begin in range(0, len(samples), BLOCK):
            if self.is_open.is_set():
                take(samples[begin : begin + BLOCK])
            time.sleep(0.01)

    def __enter__(self) -> None:
        self.is_open.set()
        self.thread.start()

    def __exit__(self, *_) -> None:
        self.is_open.clear()
        self.thread.join()


def test_the_microphone_is_recorded_into_a_file_that_opens(window, settle, repository, monkeypatch):
    samples = load_audio(AudioRef(str(repository / "dataset" / "sample.flac")))
    monkeypatch.setattr(sound, "open_microphone", lambda take: Spoken(samples, take))
    click(window.view.record_button)
    assert window.recorder.is_recording and window.view.record_button.text() == "Stop recording"
    settle(lambda: len(window._live) == -(-len(samples) // BLOCK))
    assert window.view.waveform.peaks.max() == pytest.approx(np.abs(samples).max())
    click(window.view.record_button)
    settle(lambda: not window.is_working)
    [recording] = Path(window.settings.recordings_dir).iterdir()
    assert window.path == recording and recording.suffix == ".flac"
    np.testing.assert_allclose(load_audio(AudioRef(str(recording))), samples, atol=1 / 32768)


def test_the_window_speaks_both_languages(window):
    assert TEXTS["en"].keys() == TEXTS["zh"].keys()
    click(window.view.tongue_button)
    assert window.windowTitle() == "语音识别" and window.view.start_button.text() == "识别"
    click(window.view.tongue_button)
    assert window.view.start_button.text() == "Transcribe"
    places = [[set(_places(each[name])) for each in TEXTS.values()] for name in TEXTS["en"]]
    assert all(english == chinese for english, chinese in places)
    assert Texts("zh")("saved", path="a.txt") == "已保存 a.txt"


def _places(text: str) -> list[str]:
    import string

    return [name for _, name, _, _ in string.Formatter().parse(text) if name]


def test_everything_that_can_be_used_has_a_name(window):
    from PySide6.QtWidgets import QAbstractButton, QComboBox, QLabel, QTableWidget

    labelled = {label.buddy() for label in window.findChildren(QLabel)}
    for kind in (QAbstractButton, QComboBox, QTableWidget):
        for each in window.view.findChildren(kind):
            if each.isVisible() and not each.objectName().startswith("qt_"):
                named = each.accessibleName() or getattr(each, "text", str)()
                assert named or each in labelled or kind is QAbstractButton, each


def test_the_self_check_transcribes_and_ends(settle, demo_model, repository, capsys):
    flags = [f"--model_path={demo_model}", f"--audio_path={repository}/dataset/sample.flac"]
    assert infer_gui.main([*flags, "--self_check=True"]) == 0
    assert capsys.readouterr().out.strip()
    flags[0] = "--model_path=models/no-such-model"
    assert run_script(lambda _: infer_gui.main([*flags, "--self_check=True"])) == 1
    assert "models/no-such-model" in capsys.readouterr().err


def test_a_self_check_without_a_recording_is_refused(capsys):
    assert run_script(lambda _: infer_gui.main(["--self_check=True"])) == 2
    assert "add --audio_path=talk.mp3" in capsys.readouterr().err
