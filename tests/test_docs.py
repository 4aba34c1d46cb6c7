"""Links lead somewhere, examples are what they claim to be, and every page can be found."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import jsonschema
import pytest
import yaml

from demo.make.readme_table import with_table
from tests.conftest import script_paths
from tests.test_layers import ROOMS
from utils.manifest.utterance import Utterance

REPOSITORY = Path(__file__).resolve().parent.parent
PAGES = [*REPOSITORY.glob("*.md"), *sorted((REPOSITORY / "docs").rglob("*.md"))]
LINK = re.compile(r"\[[^\]]*\]\(([^)#\s]+)(#[^)]*)?\)")
TREE_LINE = re.compile(r"^(?P<indent>(?:[│ ] {3})*)(?:├── |└── )(?P<name>\S+)", re.M)


def page_name(page: Path) -> str:
    return page.relative_to(REPOSITORY).as_posix()


def fenced(page: Path, language: str) -> list[str]:
    text = page.read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.M | re.S)


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_links_to_files_lead_somewhere(page):
    targets = [target for target, _ in LINK.findall(page.read_text(encoding="utf-8"))]
    here = [target for target in targets if "://" not in target and "mailto:" not in target]
    assert [target for target in here if not (page.parent / target).exists()] == []


@pytest.mark.parametrize("page", [p for p in PAGES if p.parent.name == "docs"], ids=page_name)
def test_every_page_is_linked_from_the_index(page):
    if page.name != "README.md":
        index = (REPOSITORY / "docs" / "README.md").read_text(encoding="utf-8")
        assert f"({page.name})" in index


@pytest.mark.parametrize("name", ["README.md", "README_zh.md"])
def test_the_tree_shows_what_exists(name):
    tree = next(block for block in fenced(REPOSITORY / name, "text") if "├── " in block)
    entries = [(match["indent"], match["name"]) for match in TREE_LINE.finditer(tree)]
    assert len(entries) > 20
    parents: list[str] = []
    for indent, entry in entries:
        depth = len(indent) // 4
        parents = [*parents[:depth], entry]
        path = REPOSITORY.joinpath(*parents)
        is_made_by_use = parents[0].strip("/") in ("dataset", "output", "models")
        assert path.exists() or is_made_by_use, "/".join(parents)
    shown = {entry for indent, entry in entries if not indent}
    assert {path.name for path in script_paths()} - shown == set()


ROOM = {
    "README.md": re.compile(r"^    [├└]── (\w+)/", re.M),
    "README_zh.md": re.compile(r"^    [├└]── (\w+)/", re.M),
    "CONTRIBUTING.md": re.compile(r"^(\w+) {2,}\S", re.M),
}


@pytest.mark.parametrize("name", sorted(ROOM))
def test_the_map_shows_the_rooms_that_exist_in_their_order(name):
    block = next(
        block
        for block in fenced(REPOSITORY / name, "text")
        if re.search(r"\btranscription\b", block)
    )
    shown = ROOM[name].findall(block)
    existing = {path.name for path in (REPOSITORY / "utils").iterdir() if path.is_dir()}
    assert shown == [room for room in ROOMS if room in existing - {"__pycache__"}]


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_manifest_examples_are_manifests(page):
    schema_path = REPOSITORY / "utils" / "manifest" / "manifest.schema.json"
    schema = json.loads(schema_path.read_text(encoding="utf-8"))
    for block in fenced(page, "json"):
        for number, line in enumerate(block.splitlines()):
            jsonschema.validate(json.loads(line), schema)
            Utterance.from_json(json.loads(line), default_id=f"{page.name}:{number}")


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_yaml_examples_are_yaml(page):
    for block in fenced(page, "yaml"):
        assert isinstance(yaml.safe_load(block), dict)


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_python_examples_are_python(page):
    for block in fenced(page, "python"):
        compile(block, page.name, "exec")


@pytest.mark.parametrize("name", ["exit-codes.md", "zh.md"])
def test_every_exit_code_is_told(name):
    page = (REPOSITORY / "docs" / name).read_text(encoding="utf-8")
    for code in (0, 1, 2, 3, 4, 130, 143):
        assert re.search(rf"^\| {code} \|", page, re.M), code


@pytest.mark.parametrize("name", ["README.md", "README_zh.md"])
def test_a_readme_is_short_and_its_table_is_that_of_the_kept_run(name):
    page = (REPOSITORY / name).read_text(encoding="utf-8")
    assert len(page.splitlines()) <= 150
    scores = json.loads((REPOSITORY / "demo" / "scores.json").read_text(encoding="utf-8"))
    assert with_table(page, scores) == page


def literals() -> list[str]:
    """All texts in the code that may be printed, with … for each value that is put in."""
    found = []
    for path in [*REPOSITORY.glob("*.py"), *sorted((REPOSITORY / "utils").rglob("*.py"))]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(node.value)
            elif isinstance(node, ast.JoinedStr):
                parts = (p.value if isinstance(p, ast.Constant) else "…" for p in node.values)
                found.append("".join(map(str, parts)))
    return found


def test_every_message_in_troubleshooting_is_printed_by_the_code():
    page = (REPOSITORY / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
    messages = re.findall(r"^> (`+) ?(.+?) ?\1$", page, re.M)
    printed = literals()
    assert len(re.findall(r"^### \d+\. ", page, re.M)) == 20
    for _, message in messages:
        pattern = re.compile(".*".join(map(re.escape, message.split("…"))), re.S)
        assert any(map(pattern.search, printed)), message
