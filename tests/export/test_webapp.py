"""The web app in Chromium at a phone's size: stored on the device, then without any network."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psutil
import pytest

from tests.browser import accessibility_violations, find_programs, open_browser
from utils.cli.errors import UserError
from utils.export import web_runtime as runtime_of
from utils.export.formats import export
from utils.export.web_runtime import web_runtime
from utils.export.webapp import MODEL, simplified_characters
from utils.manifest.read import read_manifest
from utils.page.files import DEVICE, PAGE
from utils.scoring.normalizers.chinese import to_simplified
from utils.transcription.decoding import Decoding
from utils.transcription.engines.registry import open_engine
from utils.transcription.transcribe import transcribe_with_engine

pytest.importorskip("onnxruntime")
needs_browser = pytest.mark.skipif(
    find_programs() is None or importlib.util.find_spec("selenium") is None,
    reason="Chromium, its driver or selenium is not installed",
)
PHONE = (390, 844)
READY = "document.documentElement.dataset.ready === 'true'"
STORED = "document.getElementById('stored').textContent === 'Works without a network.'"
DONE = "document.getElementById('progress').textContent === 'done'"
TEXTS = "return [...document.querySelectorAll('textarea')].map((each) => each.value)"


class Quiet(SimpleHTTPRequestHandler):
    """A static host that says nothing."""

    def log_message(self, *_) -> None:
        """See `SimpleHTTPRequestHandler`."""


@pytest.fixture(scope="module")
def clips(demo_model: Path) -> list:
    return list(read_manifest(demo_model.parent / "zh" / "test.jsonl"))[:3]


@pytest.fixture(scope="module")
def app(demo_model, clips, node_modules, tmp_path_factory) -> Path:
    """The demo's model as a web app, in a folder of a host, with the weights as they are."""
    folder = tmp_path_factory.mktemp("host") / "speech"
    export(str(demo_model), folder, "webapp", "float32", clips, runtime=str(node_modules))
    return folder


@pytest.fixture(scope="module")
def offline(app: Path):
    """The app in a browser that has seen it once; the host is gone."""
    if find_programs() is None:
        pytest.skip("Chromium or its driver is not installed")
    host = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(app.parent)))
    threading.Thread(target=host.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{host.server_port}/{app.name}/"
    with open_browser(*PHONE) as browser:
        browser.get(url)
        browser.wait(STORED)
        host.shutdown()
        host.server_close()
        browser.get(url)
        browser.wait(READY)
        yield browser


def transcribe(browser, path: Path) -> list[str]:
    from selenium.webdriver.common.by import By

    browser.run("document.getElementById('progress').textContent = ''")
    browser.driver.find_element(By.ID, "file").send_keys(str(path))
    browser.wait(f"{DONE} || !document.getElementById('problem').hidden")
    assert browser.run("return document.getElementById('problem').textContent") == ""
    return browser.run(TEXTS)


@needs_browser
@pytest.mark.timeout(600)
def test_without_a_network_it_says_what_the_python_engine_says(offline, app, clips):
    heard = transcribe_with_engine(lambda: open_engine(str(app / MODEL)), clips, Decoding())
    expected = [each.hypothesis for each in heard.predictions]
    found = [" ".join(transcribe(offline, Path(each.audio.path).resolve())) for each in clips]
    assert found == expected
    assert memory_of(offline) < 1e9, "the pages' processes hold so many bytes"


def memory_of(browser) -> int:
    """Bytes that the processes hold that show pages."""
    children = psutil.Process(browser.driver.service.process.pid).children(recursive=True)
    shown = [each for each in children if "--type=renderer" in each.cmdline()]
    return sum(each.memory_info().rss for each in shown)


@needs_browser
def test_it_asks_nobody_else_and_breaks_no_rule(offline):
    url = offline.run("return location.href")
    asked = [re.sub(r"^blob:", "", each) for each in offline.requests()]
    assert asked and all(
        each.startswith((url, "data:", url[: url.index("/", 8)])) for each in asked
    )
    assert [line for line in offline.log() if "Content Security Policy" in line] == []


@needs_browser
def test_it_can_be_installed(offline):
    errors = offline.driver.execute_cdp_cmd("Page.getInstallabilityErrors", {})
    assert errors["installabilityErrors"] == []
    found = offline.driver.execute_cdp_cmd("Page.getAppManifest", {})
    assert found["errors"] == [] and json.loads(found["data"])["display"] == "standalone"


@needs_browser
def test_a_host_without_headers_gives_several_threads_all_the_same(offline):
    assert offline.run("return self.crossOriginIsolated") is True


@needs_browser
def test_everybody_can_use_it_on_a_phone(offline):
    assert accessibility_violations(offline) == []
    assert offline.run("return document.documentElement.scrollWidth") <= PHONE[0]


@needs_browser
def test_a_sentence_plays_and_the_text_is_rewritten(offline):
    offline.run("document.querySelector('.play').click()")
    offline.wait("document.getElementById('player').currentTime > 0.1")
    found = offline.driver.execute_async_script(
        "const done = arguments[0];"
        "import(new URL('page/rewriting.js', location.href)).then((m) => done(["
        "m.rewritten('電腦，開機。', 'zh', true, true), "
        "m.rewritten('電腦， 開機 now。', 'zh', true, false),"
        "m.rewritten('電腦', 'ja', true, true)]))"
    )
    assert found == ["电脑，开机。", "电脑开机now", "電腦"]


@needs_browser
def test_a_long_recording_is_cut_where_it_is_quiet(offline):
    found = offline.driver.execute_async_script(
        "const done = arguments[0];"
        "import(new URL('page/stretches.js', location.href)).then((m) => {"
        "const sound = new Float32Array(70 * m.RATE).map((_, i) => Math.sin(i) / 4);"
        "for (const at of [20, 45]) sound.fill(0, at * m.RATE, (at + 1) * m.RATE);"
        "const silence = new Float32Array(50 * m.RATE);"
        "done([m.stretchesOf(sound).map((each) => each.map((at) => at / m.RATE)),"
        "m.stretchesOf(silence), m.stretchesOf(sound.slice(0, m.RATE)),"
        "m.sentencesOf('One two. Three.', sound.slice(0, 2 * m.RATE)).map((each) => each.text)]);})"
    )
    cut, silence, short, sentences = found
    assert [begin for begin, _ in cut[1:]] == [end for _, end in cut[:-1]]
    assert cut[0][0] == 0 and cut[-1][1] == 70 and len(cut) == 3
    assert 20 <= cut[0][1] <= 21 and 45 <= cut[1][1] <= 46
    assert (silence, short, sentences) == ([], [[0, 16_000]], ["One two.", "Three."])


def test_characters_become_what_opencc_makes_of_them():
    before, after = simplified_characters()
    assert len(before) == len(after) > 2000
    for character in "電腦開機說話":
        assert after[before.index(character)] == to_simplified(character)


def test_without_npm_the_way_is_told(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(UserError, match="npm, which is not installed") as raised:
        web_runtime(None)
    assert "--web_runtime=node_modules" in (raised.value.hint or "")


def test_a_folder_without_the_packages_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"lacks @huggingface/transformers/package\.json"):
        web_runtime(str(tmp_path))


def test_another_version_is_refused(tmp_path):
    place = tmp_path / runtime_of.TRANSFORMERS
    place.mkdir(parents=True)
    (place / "package.json").write_text('{"version": "3.0.0"}')
    with pytest.raises(UserError, match=r"is 3\.0\.0, expected 4"):
        web_runtime(str(tmp_path))


def test_the_runtime_is_for_the_web_app_alone(demo_model, tmp_path):
    with pytest.raises(UserError, match="--web_runtime=x is for --format=webapp"):
        export(str(demo_model), tmp_path / "out", "onnx", None, [], runtime="x")


def test_its_own_scripts_name_no_other_host_and_hold_no_markup():
    for path in [*DEVICE.glob("*.js"), *PAGE.glob("*.js")]:
        assert not re.search(r"https?://|\beval\(|innerHTML", path.read_text("utf-8"))
