"""The programs that run a model in a browser: transformers.js and the WebAssembly of onnxruntime.

They come from npm, by name and version. Only four files are taken of them, and renamed to endings
that every static host knows.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path

from utils.cli.errors import Failure, UserError

TRANSFORMERS, VERSION = "@huggingface/transformers", "4.3.2"
ONNXRUNTIME = "onnxruntime-web"
PATIENCE_SECONDS = 600
# transformers.js asks for the build with WebGPU, which is twice as large and is not used here. The
# plain one has the same interface, and a browser finds no package by name.
_ASKED_FOR = ('from"onnxruntime-common"', 'from"onnxruntime-web/webgpu"')
_GIVEN = 'from"./ort.js"'
_FILES = {
    "ort.js": "dist/ort.wasm.min.mjs",
    "ort-wasm.js": "dist/ort-wasm-simd-threaded.mjs",
    "ort-wasm.wasm": "dist/ort-wasm-simd-threaded.wasm",
}

Package = Callable[[str, str], bytes]
"""(package, path in it) to content."""


def web_runtime(folder: str | None) -> dict[str, bytes]:
    """The files of the folder `runtime`.

    Args:
        folder: a `node_modules` that holds the packages; None fetches them with npm.

    Returns:
        Contents by name.

    Raises:
        UserError: there is no npm, or the folder does not hold the packages.
        Failure: npm could not fetch them.
    """
    if folder is not None:
        return _files_of(_installed(Path(folder)))
    npm = shutil.which("npm")
    if npm is None:
        raise UserError(
            "--format=webapp takes transformers.js from npm, which is not installed",
            "Install Node (it brings npm), or run `npm install --ignore-scripts "
            f"{TRANSFORMERS}@{VERSION}` elsewhere and give its folder: --web_runtime=node_modules",
        )
    with tempfile.TemporaryDirectory() as place:
        return _files_of(_fetched(npm, Path(place)))


def _files_of(package: Package) -> dict[str, bytes]:
    described = json.loads(package(TRANSFORMERS, "package.json"))
    if described["version"] != VERSION:
        raise UserError(
            f"{TRANSFORMERS} is {described['version']}, expected {VERSION}",
            f"npm install --ignore-scripts {TRANSFORMERS}@{VERSION}",
        )
    script = package(TRANSFORMERS, "dist/transformers.web.min.js").decode()
    for asked in _ASKED_FOR:
        if script.count(asked) != 1:
            raise Failure(f"{TRANSFORMERS} {VERSION} does not hold {asked} once")
        script = script.replace(asked, _GIVEN)
    runtime = json.loads(package(ONNXRUNTIME, "package.json"))
    notice = (
        f"transformers.js: {TRANSFORMERS} {VERSION}, Apache-2.0\n"
        f"ort.js, ort-wasm.js, ort-wasm.wasm: {ONNXRUNTIME} {runtime['version']}, MIT\n"
    )
    return {
        "transformers.js": script.encode(),
        **{name: package(ONNXRUNTIME, path) for name, path in _FILES.items()},
        "NOTICE.txt": notice.encode(),
    }


def _installed(folder: Path) -> Package:
    def content(name: str, path: str) -> bytes:
        file = folder / name / path
        if not file.is_file():
            raise UserError(
                f"--web_runtime={folder} lacks {name}/{path}",
                f"npm install --ignore-scripts {TRANSFORMERS}@{VERSION} makes such a folder",
            )
        return file.read_bytes()

    return content


def _fetched(npm: str, place: Path) -> Package:
    """Packages as npm packs them: no script of theirs is run."""
    archives: dict[str, Path] = {}

    def content(name: str, path: str) -> bytes:
        if name not in archives:
            version = VERSION
            if name != TRANSFORMERS:  # the one that transformers.js was tested with
                wanted = json.loads(content(TRANSFORMERS, "package.json"))["dependencies"]
                version = wanted[name]
            archives[name] = _pack(npm, f"{name}@{version}", place)
        with tarfile.open(archives[name]) as archive:
            file = archive.extractfile(f"package/{path}")
            assert file is not None
            return file.read()

    return content


def _pack(npm: str, package: str, place: Path) -> Path:
    command = [npm, "pack", "--json", package]
    try:
        done = subprocess.run(
            command, cwd=place, capture_output=True, text=True, timeout=PATIENCE_SECONDS
        )
        if done.returncode == 0:
            return place / json.loads(done.stdout)[0]["filename"]
        reason = done.stderr.strip().splitlines()[-1:]
    except subprocess.TimeoutExpired:
        reason = [f"no answer in {PATIENCE_SECONDS} s"]
    raise Failure(
        f"npm could not fetch {package}: {''.join(reason)}",
        "Is there a network? Or give the packages: --web_runtime=node_modules",
    )
