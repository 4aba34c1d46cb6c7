"""Alternatives, GLM files and compounds: against all texts that they spell, and against SCTK."""

from __future__ import annotations

import shutil
import subprocess
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from utils.cli.errors import UserError
from utils.scoring.conventions.alternatives import choose, read_lattice
from utils.scoring.conventions.conventions import (
    Conventions,
    read_conventions,
    stated_conventions,
)
from utils.scoring.conventions.glm import HYPOTHESIS, REFERENCE, read_glm
from utils.scoring.edits import count_operations
from utils.scoring.predictions import Prediction
from utils.scoring.score import score_predictions
from utils.scoring.statistics import compare

RFILTER = Path("/usr/lib/sctk/bin/rfilter1")
GLM = """;; a small one of the kind that NIST gives out
* format = 'NIST1'
* copy_no_hit = 'T'
* case_sensitive = 'F'
UH-HUH => %BCACK / [ ] __ [ ] ;; affirmative
UH => %HESITATION / [ ] __ [ ]
colour => color
VIDEOTAPE => VIDEO TAPE / [ ] __ [ ]
[A AND B] => [A & B]
;; INPUT_DEPENDENT_APPLICATION = "hyp"
[HE'S] => [{HE IS / HE HAS}] / [ ] __ [ ]
"""

SAID = ["uh", "uh-huh", "colour", "colours", "videotape", "a", "and", "b", "he's", "x"]
WORDS = st.lists(st.sampled_from("abc"), max_size=3).map(" ".join)


@st.composite
def texts(draw: st.DrawFn, depth: int = 2) -> tuple[str, list[str]]:
    """A text with alternatives, and every text that it spells."""
    written, spelt = "", [""]
    for _ in range(draw(st.integers(1, 3))):
        plain = draw(WORDS)
        written += f" {plain} "
        spelt = [f"{each} {plain}" for each in spelt]
        if depth and draw(st.booleans()):
            parts = [draw(texts(depth - 1)) for _ in range(draw(st.integers(1, 3)))]
            bar = draw(st.sampled_from(["|", " / "]))
            written += "{" + bar.join(part or "@" for part, _ in parts) + "}"
            ways = [way for _, more in parts for way in more]
            spelt = [f"{each} {way}" for each, way in product(spelt, ways)]
    return written, spelt


def errors(reference: str, hypothesis: str) -> int:
    return sum(count_operations(reference.split(), hypothesis.split()))


@settings(max_examples=200)
@given(texts(), texts(depth=1))
def test_the_choice_has_the_fewest_errors_of_all_pairs(
    reference: tuple[str, list[str]], hypothesis: tuple[str, list[str]]
):
    sides = [read_lattice(text, str.split) for text, _ in (reference, hypothesis)]
    chosen = choose(*sides)
    for text, (_, spelt) in zip(chosen, (reference, hypothesis), strict=True):
        assert text.split() in [each.split() for each in spelt]
    fewest = min(errors(a, b) for a in set(reference[1]) for b in set(hypothesis[1]))
    assert errors(*chosen) == fewest


def test_what_counts_is_the_nearest_alternative_and_the_name_says_so():
    lines = [
        Prediction("a", "i've { um / uh / @ } seen {colours|colors}", "I've seen colors"),
        Prediction("b", "at {twenty five | 25} km/h", "at 25 km/h"),
    ]
    score = score_predictions(lines, "wer", "basic", conventions=Conventions(alternatives=True))
    assert (score.counts.errors, score.raw.errors) == (0, 1)
    assert score.normalizer == "basic@2/alternatives@1"
    without = score_predictions(lines, "wer", "basic")
    assert without.counts.errors > 0 and without.normalizer == "basic@2"
    other = [Prediction(each.id, each.reference, "at") for each in lines]
    worse = score_predictions(other, "wer", "basic", conventions=Conventions(alternatives=True))
    assert compare(score, worse).wins == 2  # whose references are not the same


@pytest.mark.parametrize("text", ["{a|b", "a}", "{a|{b}"])
def test_braces_that_do_not_pair_are_named(text: str):
    with pytest.raises(UserError, match="without its other half"):
        score_predictions(
            [Prediction("a", text, "a")], "wer", "basic", conventions=Conventions(True)
        )


def test_alternatives_take_the_time_of_an_alignment():
    """Enumerated, these would be 2^200 texts."""
    reference = " ".join(f"{{w{i} x|y{i}}} z" for i in range(200))
    hypothesis = " ".join(f"y{i} z" for i in range(200))
    assert choose(*(read_lattice(t, str.split) for t in (reference, hypothesis)))[0].split() == (
        hypothesis.split()
    )


@pytest.fixture
def glm(tmp_path: Path) -> Path:
    path = tmp_path / "small.glm"
    path.write_text(GLM, encoding="utf-8")
    return path


def test_rules_are_applied_as_the_documentation_has_it(glm: Path):
    rules = read_glm(glm)
    assert rules.apply("Uh, uh-huh. The colours", REFERENCE) == "%HESITATION %BCACK The colors"
    assert rules.apply("he’s on videotape (uh)", HYPOTHESIS) == (
        "{HE IS / HE HAS} on VIDEO TAPE { uh / @ }"
    )
    assert rules.apply("he's in", REFERENCE) == "he's in"
    assert rules.apply("ox and {b} / c", HYPOTHESIS) == "ox and b c"


def test_a_rule_for_hypotheses_gives_them_alternatives(glm: Path, tmp_path: Path):
    conventions = read_conventions(False, False, str(glm))
    assert conventions is not None
    lines = [Prediction("a", "he has seen the color", "He's seen the colour.")]
    score = score_predictions(lines, "wer", "basic", conventions=conventions)
    assert score.counts.errors == 0
    shutil.copy(glm, tmp_path / "rules.glm")
    assert stated_conventions(score.normalizer, tmp_path)[0] == "basic@2"
    (tmp_path / "rules.glm").write_text(GLM + "x => y\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"scored by basic@2/glm@1-"):
        stated_conventions(score.normalizer, tmp_path)


@pytest.mark.skipif(not RFILTER.exists(), reason="needs SCTK (Debian: sctk)")
@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from(SAID)))
def test_rules_are_applied_as_rfilter1_does(
    tmp_path_factory: pytest.TempPathFactory, words: list[str]
):
    path = tmp_path_factory.getbasetemp() / "rfilter.glm"
    path.write_text(GLM, encoding="utf-8")
    text = f" {' '.join(words).upper()} \n"
    run = subprocess.run([RFILTER, path], input=text, capture_output=True, text=True, check=True)
    assert read_glm(path).apply(" ".join(words), HYPOTHESIS).upper() == run.stdout.strip().upper()


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (";; x\n", "holds no rules"),
        (";; x\nA B\n", "line 2: 'A B' has no =>"),
        (";; x\n => B\n", "line 2: '=> B' has nothing before =>"),
        (';; x\n;; INPUT_DEPENDENT_APPLICATION = "("\nA => B', "line 2: '\\(' is no pattern"),
    ],
)
def test_files_that_are_no_glm(tmp_path: Path, content: str, complaint: str):
    (tmp_path / "a.glm").write_text(content, encoding="utf-8")
    with pytest.raises(UserError, match=complaint):
        read_glm(tmp_path / "a.glm")


@settings(max_examples=60)
@given(
    st.lists(st.sampled_from(["ice", "cream", "icecream", "creamice", "x"]), max_size=6).flatmap(
        lambda first: st.tuples(
            st.just(first),
            st.lists(st.sampled_from(["ice", "cream", "icecream", "creamice", "x"]), max_size=6),
        )
    )
)
def test_compounds_cost_what_kaldialign_says(pair: tuple[list[str], list[str]]):
    kaldialign = pytest.importorskip("kaldialign")
    lines = [Prediction("a", *map(" ".join, pair))]
    score = score_predictions(lines, "wer", "basic", conventions=Conventions(compounds=True))
    assert score.counts.errors == kaldialign.edit_distance(*pair, merge_compounds=True)["total"]
    assert score.normalizer == "basic@2/compounds@1"


def test_hyphenated_joined_and_separate_words_are_equal():
    pytest.importorskip("kaldialign")
    lines = [Prediction("a", "an ice-cream and well known", "an icecream and well-known")]
    score = score_predictions(lines, "wer", "basic", conventions=Conventions(compounds=True))
    assert (score.counts.errors, score.counts.reference_tokens) == (0, 6)
