"""The house's order: who may import whom, and what every module owes its reader."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import script_paths

REPOSITORY = Path(__file__).resolve().parent.parent

# The rooms of utils/, lowest first. A module imports only from rooms before its own or its own.
ROOMS = (
    *("cli", "parallel", "audio", "manifest", "scoring", "sources", "data", "model"),
    *(
        "validation",
        "transcription",
        "page",
        "export",
        "training",
        "evaluation",
        "report",
        "serving",
    ),
    "desktop",
)
LEVEL = {room: level for level, room in enumerate(ROOMS)}
# They run where no torch is.
LIGHT_ROOMS = ("cli", "parallel", "manifest", "scoring", "sources", "page")
LIGHT_FILES = tuple(
    f"utils/audio/{name}.py"
    for name in ("clip", "decode", "decode_av", "duration_cache", "file_kind", "fingerprint")
) + tuple(f"utils/audio/{name}.py" for name in ("header", "limits", "probe", "segmentation"))
HEAVY = {"torch", "transformers", "peft", "accelerate", "bitsandbytes", "torchaudio"}

SCRIPTS = script_paths()
MODULES = sorted((REPOSITORY / "utils").rglob("*.py"))
MAX_BODY_LINES = 60
MAX_MODULE_LINES = 350
MAX_ROOM_FILES = 20


def names(paths: list[Path]) -> list[str]:
    return [path.relative_to(REPOSITORY).as_posix() for path in paths]


def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def imports_of(tree: ast.AST) -> set[str]:
    """Dotted names of all imported modules, at module level and inside functions."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def utils_folder(module: str) -> str | None:
    parts = module.split(".")
    return parts[1] if parts[0] == "utils" and len(parts) > 1 else None


def module_name(path: Path) -> str:
    parts = path.relative_to(REPOSITORY).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@pytest.mark.parametrize("path", MODULES, ids=names(MODULES))
def test_a_module_imports_only_from_lower_rooms_or_its_own(path):
    own = utils_folder(module_name(path))
    if own is None:
        assert not imports_of(parse(path)), "utils/__init__.py imports nothing"
        return
    assert own in LEVEL, f"utils/{own}/ has no place in ROOMS of {Path(__file__).name}"
    for module in imports_of(parse(path)):
        other = utils_folder(module)
        if other is not None and other != own:
            assert other in LEVEL, f"{module} is in no known folder of utils/"
            assert LEVEL[other] < LEVEL[own], f"utils/{own} may not import {module}"


@pytest.mark.parametrize("path", MODULES, ids=names(MODULES))
def test_a_module_imports_no_script_demo_or_test(path):
    outside = {script.stem for script in SCRIPTS} | {"demo", "benchmarks", "tests"}
    assert not {module.split(".")[0] for module in imports_of(parse(path))} & outside


def modules_under(folder: str) -> list[Path]:
    return sorted((REPOSITORY / folder).rglob("*.py"))


@pytest.mark.parametrize("folder", ["benchmarks", "demo"])
def test_what_measures_and_shows_imports_from_utils_and_itself_alone(folder):
    """What they run of the repository's scripts they start as a person would."""
    own = {path.stem for path in REPOSITORY.glob("*.py")} | {"benchmarks", "demo", "tests"}
    for path in modules_under(folder):
        imported = {module.split(".")[0] for module in imports_of(parse(path))}
        assert imported & (own - {folder}) == set(), path


def test_tests_import_nothing_from_benchmarks():
    importing = [
        path
        for path in modules_under("tests")
        if any(module.split(".")[0] == "benchmarks" for module in imports_of(parse(path)))
    ]
    assert names(importing) == []


@pytest.mark.parametrize("path", SCRIPTS, ids=names(SCRIPTS))
def test_a_script_imports_no_other_script(path):
    roots = {module.split(".")[0] for module in imports_of(parse(path))}
    assert not roots & {script.stem for script in SCRIPTS}


@pytest.mark.parametrize("path", SCRIPTS, ids=names(SCRIPTS))
def test_a_script_is_a_docstring_settings_and_main(path):
    tree = parse(path)
    assert ast.get_docstring(tree), "a script begins with its commands"
    assert f"python {path.name}" in (ast.get_docstring(tree) or "")
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    assert [argument.arg for argument in functions["main"].args.args] == ["argv"]
    assert ast.unparse(tree.body[-1]).splitlines() == [
        "if __name__ == '__main__':",
        "    exit_script(run_script(main))",
    ]


LIGHT_MODULES = [
    path
    for path in MODULES
    if utils_folder(module_name(path)) in LIGHT_ROOMS or names([path])[0] in LIGHT_FILES
]


@pytest.mark.parametrize("path", LIGHT_MODULES, ids=names(LIGHT_MODULES))
def test_data_checks_and_scoring_name_no_torch(path):
    assert not {module.split(".")[0] for module in imports_of(parse(path))} & HEAVY


def modules_loaded_by(code: str) -> set[str]:
    """Run code in a fresh Python and return the heavy libraries that it loaded."""
    report = f"import sys; print([m for m in {sorted(HEAVY)} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\n{report}"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return set(ast.literal_eval(done.stdout.splitlines()[-1]))


def test_data_checks_and_scoring_load_no_torch():
    imported = [
        name for name in map(module_name, LIGHT_MODULES) if ".evaluate_modules." not in name
    ]
    assert modules_loaded_by(f"import {', '.join(sorted(imported))}") == set()


@pytest.mark.parametrize("path", SCRIPTS, ids=names(SCRIPTS))
def test_a_script_loads_no_torch_before_its_flags_are_parsed(path):
    assert modules_loaded_by(f"import {path.stem}") == set()


@pytest.mark.parametrize("path", [*SCRIPTS, *MODULES], ids=names([*SCRIPTS, *MODULES]))
def test_a_module_says_what_it_is_for(path):
    assert ast.get_docstring(parse(path))


def public_functions(tree: ast.Module) -> list[ast.FunctionDef]:
    """Functions, and methods of classes, whose names do not begin with an underscore."""
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    bodies = [tree.body, *(node.body for node in classes if not node.name.startswith("_"))]
    return [
        node
        for body in bodies
        for node in body
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")
    ]


@pytest.mark.parametrize("path", [*SCRIPTS, *MODULES], ids=names([*SCRIPTS, *MODULES]))
def test_public_functions_are_typed_and_documented(path):
    for function in public_functions(parse(path)):
        place = f"{path.name}:{function.lineno} {function.name}"
        is_property = any(ast.unparse(d).endswith("setter") for d in function.decorator_list)
        assert ast.get_docstring(function) or is_property, f"{place} has no docstring"
        assert function.returns is not None, f"{place} does not say what it returns"
        arguments = function.args.posonlyargs + function.args.args + function.args.kwonlyargs
        for argument in arguments:
            is_typed = argument.annotation is not None or argument.arg in ("self", "cls")
            assert is_typed, f"{place}: {argument.arg} has no type"


@pytest.mark.parametrize("path", [*SCRIPTS, *MODULES], ids=names([*SCRIPTS, *MODULES]))
def test_functions_and_modules_are_short(path):
    tree = parse(path)
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MAX_MODULE_LINES
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            statements = node.body[1:] if ast.get_docstring(node) else node.body
            first = statements[0].lineno if statements else node.lineno
            length = (node.end_lineno or first) - first + 1
            assert length <= MAX_BODY_LINES, f"{node.name} has {length} lines"


FOLDERS = sorted({path.parent for path in MODULES})


@pytest.mark.parametrize("folder", FOLDERS, ids=names(FOLDERS))
def test_a_room_without_subrooms_is_small_and_no_folder_is_crowded(folder):
    modules = [path for path in folder.glob("*.py") if path.name != "__init__.py"]
    assert len(modules) <= MAX_ROOM_FILES, (
        f"{folder.name}/ has {len(modules)} modules; open a subroom"
    )


def test_every_folder_of_utils_has_tests():
    for folder in {utils_folder(module_name(path)) for path in MODULES} - {None}:
        tests = list((REPOSITORY / "tests" / str(folder)).rglob("test_*.py"))
        assert tests, f"tests/{folder}/ holds no test"
