"""The page in a real browser: it opens, filters, plays, compares, links, and asks for nothing."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser import Browser, accessibility_violations, find_programs, open_browser
from tests.report.conftest import HOSTILE, LINES
from utils.manifest.read import read_manifest
from utils.report.forms import make_forms
from utils.sources.corrections import correct, read_corrections

pytestmark = pytest.mark.skipif(
    find_programs() is None, reason="chromium or chromedriver is not installed"
)
SELECTED = "document.querySelectorAll('#detail .stretch').length"
PRESS = (
    "document.getElementById('list').dispatchEvent("
    "new KeyboardEvent('keydown', {key: arguments[0], bubbles: true}))"
)


@pytest.fixture(scope="module")
def page(evaluated: Path) -> Path:
    """The report with its sound by path, nothing embedded."""
    make_forms([evaluated / "report" / "results.json"], evaluated / "page", ("html",), embed_mb=0)
    return evaluated / "page" / "report.html"


@pytest.fixture(scope="module")
def shared_browser() -> Iterator[Browser]:
    with open_browser() as browser:
        yield browser


@pytest.fixture
def browser(shared_browser: Browser, page: Path) -> Iterator[Browser]:
    """A browser in which the page is open; at the end it has complained of nothing."""
    shared_browser.log()
    shared_browser.get(page.as_uri())
    shared_browser.wait("document.body.dataset.ready")
    yield shared_browser
    assert shared_browser.log() == []


def chosen(browser: Browser) -> str:
    browser.wait("document.getElementById('chosen').dataset.done === 'true'")
    return str(browser.run("return document.getElementById('chosen').textContent"))


def find(browser: Browser, pattern: str) -> str:
    browser.run("document.getElementById('chosen').dataset.done = 'false'")
    browser.type_into("q", pattern)
    return chosen(browser)


def select(browser: Browser, id: str) -> None:
    """Choose an utterance as a reader does, by clicking on its row."""
    browser.run(
        "[...document.querySelectorAll('.row')].find((row) =>"
        "row.querySelector('.meta bdi, .meta span').textContent === arguments[0]).click()",
        id,
    )
    browser.wait(f"(document.querySelector('#detail h3') || {{}}).textContent === {json.dumps(id)}")


def test_nothing_is_asked_for_but_the_page_itself(browser: Browser, page: Path):
    asked = [url for url in browser.requests() if not url.startswith(("blob:", "data:"))]
    assert asked == [page.as_uri()]


def test_texts_are_shown_and_not_run(browser: Browser):
    select(browser, "bad <b>id</b>")
    browser.wait("document.querySelectorAll('#detail dd').length === 3")
    assert (
        browser.run("return document.querySelector('#detail dd').firstChild.textContent") == HOSTILE
    )
    assert browser.run("return document.title") == "Evaluation"
    assert browser.run("return document.querySelectorAll('img, b, i').length") == 0


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("light", "1 of 8 utterances"),
        ("^turn .* off$", "1 of 8 utterances"),
        ("打开", "2 of 8 utterances"),
        ("صيدلية", "1 of 8 utterances"),
        ("zh-", "2 of 8 utterances"),
        ("THANK", "None of 8 utterances matches."),
        ("thank", "1 of 8 utterances"),
        (r"good\s+good", "1 of 8 utterances"),
        ("^$", "1 of 8 utterances"),
        ("", "8 of 8 utterances"),
    ],
)
def test_a_pattern_filters(browser: Browser, pattern: str, words: str):
    find(browser, "zzz")
    assert find(browser, pattern) == words


def test_a_match_does_not_reach_into_the_next_text(browser: Browser):
    assert find(browser, r"off\s+turn") == "None of 8 utterances matches."


def test_one_models_texts_can_be_searched(browser: Browser):
    browser.choose("#in", "new")
    assert find(browser, "thank") == "None of 8 utterances matches."
    # What equals its reference is stored once, and found all the same.
    assert find(browser, "turn the light off") == "1 of 8 utterances"


def test_a_broken_pattern_is_said(browser: Browser):
    browser.type_into("q", "(")
    browser.wait("document.getElementById('problem').textContent")
    assert "no regular expression" in browser.run(
        "return document.getElementById('problem').textContent"
    )


def test_menus_filter_by_the_manifests_own_fields(browser: Browser):
    browser.choose("[data-field=room]", "=kitchen")
    assert chosen(browser) == "4 of 8 utterances"
    browser.choose("#show", "wrong")
    browser.choose("#model", "old")
    assert chosen(browser) == "4 of 8 utterances"
    assert browser.run("return location.hash.length") >= 0


def test_the_rates_are_those_of_the_results(browser: Browser, evaluated: Path):
    results = json.loads((evaluated / "report" / "results.json").read_text(encoding="utf-8"))
    shown = browser.run(
        "return [...document.querySelectorAll('#parts tbody td')].map((e) => e.textContent)"
    )
    rates = [f"{100 * score['rate']:.2f} %" for score in results["scores"]]
    assert shown[1:] == rates


def test_utterances_are_piled_by_their_rate(browser: Browser):
    browser.run("document.getElementById('spread-box').open = true")
    browser.wait("document.querySelectorAll('#spread .pile').length === 12")
    piles = "return [...document.querySelectorAll('#spread .pile > span:first-child')]"
    numbers = browser.run(f"{piles}.map((e) => Number(e.textContent))")
    assert sum(numbers) == 8
    assert numbers[0] == 6  # new is right on six
    find(browser, "silence")
    assert sum(browser.run(f"{piles}.map((e) => Number(e.textContent))")) == 1


def test_a_table_is_sorted_by_a_click(browser: Browser):
    browser.choose("#by", "language")
    column = "document.querySelectorAll('#parts thead button')[1]"
    shown = "return [...document.querySelectorAll('#parts tbody td:nth-child(2)')]"
    browser.run(f"{column}.click()")
    assert browser.run(f"{shown}.map((e) => e.textContent)") == ["4", "3", "1"]
    browser.run(f"{column}.click()")
    assert browser.run(f"{shown}.map((e) => e.textContent)") == ["1", "3", "4"]
    assert browser.run(f"return {column}.parentNode.ariaSort") == "ascending"


def test_models_are_compared_token_by_token(browser: Browser, evaluated: Path):
    results = json.loads((evaluated / "report" / "results.json").read_text(encoding="utf-8"))
    errors = dict.fromkeys(("old", "new"), 0)
    for id, *_ in LINES:
        select(browser, id)
        rows = browser.run(
            "const rows = document.querySelectorAll('#detail .stretch tr:not(.reference)');"
            "return [...rows].map((row) =>"
            "[row.querySelector('th').textContent, [...row.querySelectorAll('[data-errors]')]"
            ".reduce((sum, cell) => sum + Number(cell.dataset.errors), 0)])"
        )
        for model, wrong in rows:
            errors[model] += wrong
    assert errors == {score["model"]: score["errors"] for score in results["scores"]}


def test_right_to_left_texts_run_from_the_right(browser: Browser):
    select(browser, "ar-1")
    places = browser.run(
        "return [...document.querySelectorAll('#detail .reference td')]"
        ".map((cell) => cell.getBoundingClientRect().left)"
    )
    assert places == sorted(places, reverse=True) and len(places) == 4


def test_sound_is_played_from_where_it_lies(browser: Browser):
    select(browser, "zh-1")
    browser.run(PRESS, " ")
    browser.wait("document.querySelector('audio').currentTime > 0.2")


def test_a_link_shows_the_same_again(browser: Browser, page: Path):
    find(browser, "打开")
    browser.choose("#show", "wrong")
    chosen(browser)
    select(browser, "zh-2")
    browser.wait("location.hash.includes('id=zh-2')")
    link, shown = browser.run("return location.href"), chosen(browser)
    browser.get(link)
    browser.wait(f"document.body.dataset.ready && {SELECTED} > 0")
    assert chosen(browser) == shown
    assert browser.run("return document.querySelector('#detail h3').textContent") == "zh-2"


def test_the_list_is_used_by_the_keyboard(browser: Browser):
    browser.run(PRESS, "End")
    browser.wait("document.querySelector('.row[aria-selected=true]')")
    browser.wait(SELECTED)
    selected = "document.querySelector('.row[aria-selected=true]')"
    assert browser.run(f"return {selected}.ariaPosInSet") == "8"


def test_colours_can_be_changed(browser: Browser):
    before = browser.run("return getComputedStyle(document.body).backgroundColor")
    browser.run("document.getElementById('theme').click()")
    assert browser.run("return getComputedStyle(document.body).backgroundColor") != before


def test_a_phone_needs_no_sideways_scrolling(page: Path):
    with open_browser(390, 844, dark=True) as browser:
        browser.get(page.as_uri())
        browser.wait("document.body.dataset.ready")
        assert browser.run("return document.documentElement.scrollWidth") <= 390
        assert browser.log() == []


def test_sound_that_is_gone_is_said_and_small_sound_is_in_the_page(evaluated: Path, tmp_path: Path):
    make_forms([evaluated / "report" / "results.json"], tmp_path / "in", ("html",), embed_mb=9)
    make_forms([evaluated / "report" / "results.json"], tmp_path / "by", ("html",), embed_mb=0)
    with open_browser() as browser:
        moved = shutil.copy(tmp_path / "in" / "report.html", tmp_path / "alone.html")
        browser.get(Path(moved).as_uri())
        browser.wait("document.body.dataset.ready")
        select(browser, "zh-1")
        browser.run("document.querySelector('audio').play()")
        browser.wait("document.querySelector('audio').currentTime > 0.2")
        (tmp_path / "deep" / "er" / "still").mkdir(parents=True)
        moved = shutil.copy(tmp_path / "by" / "report.html", tmp_path / "deep" / "er" / "still")
        browser.get(Path(moved).as_uri())
        browser.wait("document.body.dataset.ready")
        select(browser, "zh-1")
        browser.run("document.querySelector('audio').play().catch(() => 0)")
        browser.wait("document.querySelector('.player .note')")


def rows_shown(browser: Browser) -> set[str]:
    chosen(browser)
    return set(
        browser.run(
            "return [...document.querySelectorAll('.row .meta')].map("
            "(e) => e.firstChild.textContent)"
        )
    )


def test_the_page_says_first_who_is_better(browser: Browser):
    text = browser.run("return document.querySelector('#verdicts li').textContent")
    assert text.startswith("new against old on set")
    assert "points fewer" in text and "utterances better" in text
    first = "return document.querySelector('#scores').firstElementChild.nextElementSibling.id"
    assert browser.run(first) == "verdicts"


def test_a_number_of_errors_opens_exactly_its_utterances(browser: Browser):
    browser.run(
        "[...document.querySelectorAll('#analysis tbody tr')]"
        ".find((row) => row.cells[0].textContent === 'repetition loop')"
        ".querySelector('button').click()"
    )
    assert rows_shown(browser) == {"loop"}
    assert "repetition loop: old on set" in browser.run(
        "return document.getElementById('group').textContent"
    )
    browser.wait("location.hash.includes('group=')")
    browser.run("document.querySelector('#group button').click()")
    assert len(rows_shown(browser)) == len(LINES)


def test_a_dot_of_two_models_opens_its_utterances(browser: Browser):
    label = "document.querySelector('svg [role=button][aria-label*=\"8 errors of old\"]')"
    browser.run(f"{label}.dispatchEvent(new MouseEvent('click'))")
    assert rows_shown(browser) == {"loop"}
    assert browser.run("return document.getElementById('model').value") == "new"


def test_utterances_that_a_model_improves_open_from_the_comparison(browser: Browser):
    browser.run(
        "[...document.querySelectorAll('#comparisons button.plain')]"
        ".find((button) => button.textContent === '1').click()"
    )
    assert browser.run("return document.getElementById('show').value") == "worse"
    assert rows_shown(browser) == {"bad <b>id</b>"}


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (390, True)])
def test_everybody_can_use_the_page(page: Path, width: int, dark: bool):
    with open_browser(width, 900, dark=dark) as browser:
        browser.get(page.as_uri())
        browser.wait("document.body.dataset.ready")
        browser.run(
            "document.querySelector('.row').click();"
            "for (const each of document.querySelectorAll('details')) each.open = true"
        )
        browser.wait("document.querySelector('#detail h4')")
        assert accessibility_violations(browser) == []


def test_back_goes_back_to_what_was_chosen(page: Path):
    # A browser of its own: one forgets the oldest pages of a long history.
    with open_browser() as browser:
        browser.get(page.as_uri())
        browser.wait("document.body.dataset.ready")
        browser.choose("#show", "wrong")
        before = rows_shown(browser)
        select(browser, "zh-2")
        find(browser, "客厅")
        assert rows_shown(browser) == {"zh-2"}
        browser.run("history.back()")
        browser.wait("document.getElementById('q').value === ''")
        assert rows_shown(browser) == before
        assert browser.run("return document.querySelector('#detail h3').textContent") == "zh-2"
        browser.run("history.back()")
        browser.wait("!document.querySelector('#detail h3')")
        assert browser.run("return document.getElementById('show').value") == "wrong"


def test_a_printed_report_holds_the_worst_utterances_and_no_controls(browser: Browser):
    browser.wait("document.querySelector('#paper li')")
    browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    seen = "return getComputedStyle(document.getElementById(arguments[0])).display"
    shown = [browser.run(seen, name) for name in ("paper", "explore", "theme")]
    browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
    assert shown == ["block", "none", "none"]
    text = browser.run("return document.getElementById('paper').textContent")
    assert "bad <b>id</b>" in text


def test_what_is_said_over_and_over_is_written_once(browser: Browser):
    select(browser, "loop")
    texts = "return [...document.querySelectorAll('#detail dd')].map((e) => e.textContent)"
    assert browser.run(texts)[1] == "good ×9"
    assert "good ×7" in browser.run("return document.querySelector('.aligned').textContent")


def test_sound_is_drawn_with_the_times_of_what_is_said(browser: Browser):
    select(browser, "zh-1")
    assert browser.run("return document.querySelectorAll('#detail .wave').length") == 1
    labels = browser.run(
        "return [...document.querySelectorAll('#detail .segment')].map("
        "(each) => each.getAttribute('aria-label'))"
    )
    assert labels[0] == "REF 0.10 to 1.00 s: 我在家等你"
    browser.run(
        "document.querySelectorAll('#detail .segment')[1].dispatchEvent("
        "new MouseEvent('click', {bubbles: true}))"
    )
    browser.wait("document.querySelector('#detail audio').currentTime >= 0.1")


def test_lines_are_corrected_with_the_keyboard_and_exported(browser: Browser, evaluated: Path):
    select(browser, "zh-2")
    browser.run(PRESS, "e")
    assert browser.run("return document.activeElement.id") == "correct-text"
    assert browser.run("return document.activeElement.value") == "打开客厅的灯"
    browser.type_into("correct-text", "打开卧室的灯")
    browser.run(
        "document.activeElement.dispatchEvent(new KeyboardEvent('keydown',"
        "{key: 'Enter', ctrlKey: true, bubbles: true}))"
    )
    select(browser, "silence")
    browser.run(PRESS, "x")
    browser.wait("document.querySelectorAll('.corrected').length === 2")
    assert browser.run("return document.getElementById('corrections').textContent").startswith(
        "2 lines corrected"
    )
    browser.run(
        "const make = URL.createObjectURL; URL.createObjectURL = (blob) => {"
        "blob.text().then((text) => { window.exported = text; }); return make(blob); };"
        "document.getElementById('export').click()"
    )
    browser.wait("window.exported")
    lines = [json.loads(line) for line in browser.run("return window.exported").splitlines()]
    path = evaluated / "corrections.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    fixed = correct(list(read_manifest(evaluated / "set.jsonl")), read_corrections(str(path)), "c")
    assert {each.id for each in fixed} == {line[0] for line in LINES} - {"silence"}
    assert next(each.sentence for each in fixed if each.id == "zh-2") == "打开卧室的灯"
    browser.run("localStorage.clear()")


def test_the_footer_says_when_and_how_the_results_were_made(browser: Browser):
    footer = browser.run("return document.getElementById('about').textContent")
    for words in ("UTC", "python evaluation.py --test_data=", "torch ", "weights not hashed"):
        assert words in footer
    assert "engine=ready predictions" in footer


def test_earlier_runs_are_points_of_a_trend(browser: Browser, evaluated: Path, tmp_path: Path):
    results = evaluated / "report" / "results.json"
    content = json.loads(results.read_text(encoding="utf-8"))
    content["made"] = {"date": "2026-01-01T00:00:00Z", "commit": "0123456789abcdef"}
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "results.json").write_text(json.dumps(content), encoding="utf-8")
    make_forms([results], tmp_path, ("html",), embed_mb=0, history=tmp_path / "runs")
    browser.get((tmp_path / "report.html").as_uri())
    browser.wait("document.body.dataset.ready")
    label = "[aria-label='Error rates on set over 2 runs']"
    titles = f'return [...document.querySelectorAll("{label} title")].map((e) => e.textContent)'
    shown = browser.run(titles)
    assert len(shown) == 4  # two models, two runs
    assert shown[0].startswith("old, 012345678, 2026-01-01T00:00:00Z: ")
    assert accessibility_violations(browser) == []
