"""The page in a browser: a file becomes sentences that play, can be edited, and are saved."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path

import pytest

from tests.browser import accessibility_violations, find_programs, open_browser
from utils.manifest.read import read_manifest
from utils.page.files import PAGE

needs_browser = pytest.mark.skipif(
    find_programs() is None or importlib.util.find_spec("selenium") is None,
    reason="Chromium, its driver or selenium is not installed",
)
DONE = "document.getElementById('progress').textContent === 'done'"


@pytest.fixture(scope="module")
def collecting(start_server, demo_model, tiny_model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("collected")
    models = f"base={demo_model},tiny={tiny_model}"
    return start_server(models, collect=str(folder)), folder


@pytest.fixture(scope="module")
def page(collecting):
    if find_programs() is None:
        pytest.skip("Chromium or its driver is not installed")
    with open_browser() as browser:
        browser.get(collecting[0].url)
        browser.wait("document.documentElement.dataset.ready === 'true'")
        yield browser


def choose_file(page, path: Path) -> None:
    from selenium.webdriver.common.by import By

    page.driver.find_element(By.ID, "file").send_keys(str(path))


@needs_browser
def test_a_file_is_transcribed_by_two_models_side_by_side(page, clips, collecting):
    page.choose("#beside", "tiny")
    choose_file(page, clips[0])
    page.wait(DONE)
    columns = page.run(
        "return [...document.querySelectorAll('article')].map((c) => "
        "[c.querySelector('h3').textContent, "
        "[...c.querySelectorAll('textarea')].map((t) => t.value)])"
    )
    assert [name for name, _ in columns] == ["base", "tiny"]
    assert columns[0][1] == collecting[0].texts(clips[0], model="base")
    assert columns[1][1] == collecting[0].texts(clips[0], model="tiny")


@needs_browser
def test_a_sentence_plays_its_own_stretch(page):
    page.run("document.querySelector('.play').click()")
    page.wait("document.getElementById('player').currentTime > 0.2")
    page.wait("document.getElementById('player').paused")
    assert page.run("return document.querySelectorAll('li.now').length") <= 2


@needs_browser
def test_corrections_are_lines_that_finetuning_takes(page, collecting):
    page.run(
        "const area = document.querySelector('textarea');"
        "area.value = '请把医保卡交给大夫';"
        "area.dispatchEvent(new Event('input', {bubbles: true}));"
        "const form = document.querySelector('form');"
        "form.elements.speaker.value = 'zh-06'; form.requestSubmit();"
    )
    page.wait("document.querySelector('form [role=status]').textContent.startsWith('Saved')")
    [line] = read_manifest(collecting[1] / "corrections.jsonl")
    assert (line.sentence, line.speaker, line.source) == (
        *("请把医保卡交给大夫", "zh-06"),
        "correction",
    )
    assert Path(line.audio.path).is_file() and line.duration == pytest.approx(1.674)


@needs_browser
def test_the_page_asks_nobody_else_and_breaks_no_rule(page, collecting):
    url = collecting[0].url
    asked = [re.sub(r"^blob:", "", each) for each in page.requests()]
    assert {each[: len(url)] for each in asked if not each.startswith("data:")} == {url}
    refused = [line for line in page.log() if "Content Security Policy" in line]
    assert refused == []


@needs_browser
def test_everything_has_a_name_for_screen_readers(page):
    unnamed = page.run(
        "return [...document.querySelectorAll('button, select, textarea, input, audio')]"
        ".filter((e) => e.offsetParent && e.tagName !== 'AUDIO' && !e.ariaLabel && "
        "!e.labels?.length && !e.textContent.trim()).map((e) => e.outerHTML)"
    )
    assert unnamed == []


@needs_browser
def test_axe_finds_nothing_wrong(page):
    assert accessibility_violations(page) == []


@needs_browser
def test_the_languages_are_switched_without_losing_the_text(page):
    before = page.run("return document.querySelector('textarea').value")
    page.run("document.getElementById('tongue').click()")
    assert page.run("return document.documentElement.lang") == "zh-Hans"
    assert page.run("return document.querySelector('h1').textContent") == "语音识别"
    assert page.run("return document.querySelector('textarea').value") == before
    page.run("document.getElementById('tongue').click()")


@needs_browser
def test_what_cannot_be_read_is_told(page, tmp_path):
    (tmp_path / "notes.wav").write_text("no sound")
    choose_file(page, tmp_path / "notes.wav")
    page.wait("!document.getElementById('problem').hidden")
    assert "notes.wav" in page.run("return document.getElementById('problem').textContent")


def test_both_languages_have_every_text():
    content = (PAGE / "texts.js").read_text("utf-8")
    english, chinese = content.split("  zh: {")
    names = [set(re.findall(r"[ {](\w+): [\"(]", part)) - {"used"} for part in (english, chinese)]
    assert names[0] == names[1] and len(names[0]) > 30
    html = (PAGE / "index.html").read_text("utf-8")
    assert set(re.findall(r'data-text="(\w+)"', html)) <= names[0]


def test_nothing_of_the_page_is_inline_or_elsewhere():
    for path in PAGE.glob("*.html"):
        content = path.read_text("utf-8")
        assert not re.search(r"\son\w+=|style=|<style|<script>|https?://", content)
    for path in PAGE.glob("*.js"):
        assert not re.search(r"https?://|\beval\(|innerHTML", path.read_text("utf-8"))


def test_corrections_are_off_unless_asked_for(server, clips):
    form = {"sentences": json.dumps([{"start": 0, "end": 1, "text": "a"}])}
    assert server.post("/corrections", clips[0], **form).status_code == 404


def test_long_recordings_are_saved_in_pieces_and_again_in_place_of_before(collecting, talk):
    server, folder = collecting
    sentences = [{"start": 4 * n, "end": 4 * n + 3, "text": f"sentence {n}"} for n in range(9)]
    for times in (1, 2):
        sentences[0]["text"] = f"take {times}"
        answer = server.post("/corrections", talk, sentences=json.dumps(sentences), language="en")
        assert answer.json() == {"lines": 2}
    lines = [u for u in read_manifest(folder / "corrections.jsonl") if u.language == "en"]
    assert [u.sentence.split()[:2] for u in lines] == [["take", "2"], ["sentence", "7"]]
    assert all(u.audio.end_time - u.audio.start_time <= 30 for u in lines)


@pytest.mark.parametrize(
    "sentences",
    [
        *("", "{}", "[1]", '[{"start": 0}]', '[{"start": 0, "end": 1, "text": 5}]'),
        *('[{"start": 5, "end": 1, "text": "a"}]', '[{"start": 0, "end": 99, "text": "a"}]'),
        '[{"start": -1e999, "end": 1, "text": "a"}]',
    ],
)
def test_corrections_that_cannot_be_are_refused(collecting, clips, sentences):
    answer = collecting[0].post("/corrections", clips[1], sentences=sentences)
    assert answer.status_code == 422 and answer.json()["error"]["message"].endswith(".")
