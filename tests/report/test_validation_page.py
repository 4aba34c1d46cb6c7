"""The validation page is one file that holds what was found, whatever the texts are."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys

from tests.browser import Browser, accessibility_violations, find_programs, open_browser
from tests.validation.test_planted import kinds
from utils.manifest.read import read_manifest
from utils.report.page.validation_advice import ADVICE
from utils.report.page.validation_page import page_data, write_validation_page
from utils.sources.corrections import correct, read_corrections
from utils.validation.check import check_manifests
from utils.validation.diagnosis import Diagnosis

NASTY = "</script><script>alert('x')</script> /*SCRIPT*/ \u2028 & 'quotes\" 今天"


def diagnosed(folder: Path) -> Diagnosis:
    rng = np.random.default_rng(0)
    sounds = folder / "a # b"
    sounds.mkdir()
    lines = []
    for number in range(3):
        samples = rng.uniform(-0.2, 0.2, 16_000 * (1 + number))
        soundfile.write(sounds / f"{number}?.wav", samples, 16_000)
        audio = {"path": f"a # b/{number}?.wav"}
        lines.append({"audio": audio, "sentence": "some words", "id": f"u{number}"})
    lines[1]["sentence"] = NASTY
    lines[2]["audio"] |= {"start_time": 1.0, "end_time": 4.0}
    manifest = folder / "m.json"
    manifest.write_text("\n".join(map(json.dumps, lines)))
    return check_manifests([manifest])


def test_the_page_holds_its_data_and_asks_for_nothing_else(tmp_path: Path) -> None:
    diagnosis = diagnosed(tmp_path)
    page = tmp_path / "out" / "check.html"
    write_validation_page(diagnosis, page)
    text = page.read_text(encoding="utf-8")
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", text)
    assert not re.search(r"<(?:link|img|iframe)\b|innerHTML|/\*STYLE\*/", text)
    data = re.findall(r'<script type="application/json" id="data">(.*?)</script>', text, re.S)
    assert len(data) == 1
    assert json.loads(data[0]) == json.loads(json.dumps(page_data(diagnosis, page)))
    assert text.count("<script") == 2
    assert any(each["text"] == NASTY for each in json.loads(data[0])["findings"])


def test_the_worst_come_first_and_play_from_where_the_page_lies(tmp_path: Path) -> None:
    data = page_data(diagnosed(tmp_path), tmp_path / "out" / "check.html")
    order = [each["severity"] for each in data["findings"]]
    assert order == sorted(order, key=["error", "warning", "note"].index)
    assert data["findings"][0]["kind"] == "piece outside the file"
    assert data["findings"][0]["audio"] == "../a%20%23%20b/2%3F.wav#t=1,4"
    assert [sum(map(sum, each["counts"])) for each in data["histograms"]] == [3, 3, 3]


def test_each_manifest_is_plotted_by_itself_on_the_same_axis(tmp_path: Path) -> None:
    diagnosed(tmp_path)
    lines = (tmp_path / "m.json").read_text().splitlines()
    (tmp_path / "one.json").write_text(lines[0])
    both = check_manifests([tmp_path / "m.json", tmp_path / "one.json"])
    duration = page_data(both, tmp_path / "check.html")["histograms"][0]
    assert [sum(counts) for counts in duration["counts"]] == [3, 1]
    assert duration["manifests"] == [str(tmp_path / "m.json"), str(tmp_path / "one.json")]
    assert (duration["low"], duration["high"]) == (1, 2)


def test_words_and_characters_are_counted(tmp_path: Path) -> None:
    (texts,) = page_data(diagnosed(tmp_path), tmp_path / "check.html")["texts"]
    assert (texts["counted"], texts["different_words"]) == (3, len(texts["words"]))
    counts = dict(map(tuple, texts["words"]))
    assert counts["some"] == counts["words"] == 2
    assert counts["今"] == counts["quotes"] == 1
    assert ["天", "cjk unified ideograph-5929", 1] in texts["characters"]
    sentences = ["some words", NASTY, "some words"]
    assert sum(count for _, _, count in texts["characters"]) == sum(map(len, sentences))


def test_every_kind_of_finding_has_advice(repository: Path) -> None:
    assert ADVICE.keys() == kinds(repository)


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Browser]:
    """A browser in which the page is open; at the end it has complained of nothing."""
    if find_programs() is None:
        pytest.skip("chromium or chromedriver is not installed")
    page = tmp_path / "check.html"
    write_validation_page(diagnosed(tmp_path), page)
    with open_browser() as browser:
        browser.get(page.as_uri())
        browser.wait("document.querySelectorAll('#findings li').length")
        yield browser
        assert browser.log() == []


def test_findings_are_searched(browser: Browser) -> None:
    total = browser.run("return document.querySelectorAll('#findings li').length")
    for wanted, pattern in (("ALERT", False), ("/alert.*quotes/", True)):
        browser.type_into("search", wanted)
        found = browser.run("return document.getElementById('found').textContent")
        shown = browser.run(
            "return [...document.querySelectorAll('#findings .text')].map((e) => e.textContent)"
        )
        assert found == f"{len(shown)} of {total} findings", pattern
        assert shown == [NASTY] * len(shown) and shown
    browser.type_into("search", "/(/")
    assert "no regular expression" in browser.run(
        "return document.getElementById('problem').textContent"
    )
    browser.type_into("search", "")
    assert accessibility_violations(browser) == []


def test_lines_are_corrected_with_the_keyboard_and_exported(
    browser: Browser, tmp_path: Path
) -> None:
    browser.driver.execute_cdp_cmd(
        "Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)}
    )
    browser.type_into("search", "u1")
    keys = ActionChains(browser.driver)
    browser.run("document.querySelector('#findings li').focus()")
    keys.send_keys("e").perform()
    assert browser.run("return document.activeElement.tagName") == "TEXTAREA"
    browser.run("document.activeElement.select()")
    keys.send_keys("the right words").key_down(Keys.CONTROL).send_keys(Keys.ENTER)
    keys.key_up(Keys.CONTROL).perform()
    assert browser.run("return document.activeElement.tagName") == "LI"
    browser.type_into("search", "u2")
    browser.run("document.querySelector('#findings li').focus()")
    keys.send_keys("x").perform()
    browser.run("document.getElementById('export').click()")
    exported = tmp_path / "corrections.jsonl"
    deadline = time.monotonic() + 20
    while not exported.is_file() and time.monotonic() < deadline:
        time.sleep(0.05)
    manifest = tmp_path / "m.json"
    utterances = list(read_manifest(manifest))
    fixed = correct(utterances, read_corrections(str(exported)), str(exported))
    assert [(each.id, each.sentence) for each in fixed] == [
        ("u0", "some words"),
        ("u1", "the right words"),
    ]
