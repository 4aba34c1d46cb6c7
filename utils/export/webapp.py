"""A folder that any static host serves: a page with a model, which works without a network.

The page is the server's (utils/page/); transformers.js runs the ONNX graphs in the browser; a
service worker stores all of it on the device (W3C: Web Application Manifest, Service Workers).
"""

from __future__ import annotations

import hashlib
import json
import os
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from utils.cli.extras import expect_installed
from utils.export import onnx
from utils.export.checked import export_checked
from utils.export.parity import Parity, Reader
from utils.export.web_runtime import web_runtime
from utils.manifest.languages import LANGUAGES
from utils.manifest.utterance import Utterance
from utils.model.loaded import LoadedModel
from utils.page.files import device_files, shared_files
from utils.scoring.normalizers.chinese import to_simplified

MODEL = Path("models", "model")
DTYPES = {"float32": "fp32", "float16": "fp16", "int8": "q8"}
"""transformers.js's names for forms of weights."""
# No other host, no inline script; 'wasm-unsafe-eval' is what compiling WebAssembly is called.
POLICY = (
    "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; img-src 'self' data:; "
    "media-src 'self' blob:; object-src 'none'; base-uri 'none'; form-action 'none'"
)
HEAD = (
    f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
    '<link rel="manifest" href="manifest.webmanifest">\n'
    '<link rel="apple-touch-icon" href="page/icon-192.png">\n'
    '<meta name="theme-color" content="#1f6f5c">\n'
)
AT_THE_ROOT = ("index.html", "service-worker.js")


def export(
    source: str,
    target: Path,
    quantization: str,
    clips: Sequence[Utterance],
    local_files_only: bool = False,
    runtime: str | None = None,
) -> Parity:
    """Make the web app of a model, and let onnxruntime transcribe clips with its graphs.

    Args:
        source: see `export_checked`.
        target: see `export_checked`.
        quantization: a key of `DTYPES`.
        clips: see `export_checked`.
        local_files_only: see `export_checked`.
        runtime: folder `node_modules` that holds transformers.js; None fetches it with npm.

    Raises:
        UserError: there is neither npm nor such a folder, or as `export_checked`.
        Failure: npm could not fetch the packages, or as `export_checked`.
    """
    expect_installed("onnx", "--format=webapp")
    expect_installed("onnxruntime", "--format=webapp")
    # Before the model is loaded: without npm this ends at once.
    programs = web_runtime(runtime)
    name = os.path.basename(os.path.normpath(source))

    def write(loaded: LoadedModel, folder: Path, form: str) -> None:
        (folder / MODEL).mkdir(parents=True)
        onnx.write(loaded, folder / MODEL, form)
        write_page(folder, _settings(loaded, name, form), programs)

    return export_checked(source, target, quantization, clips, write, read, local_files_only)


def read(loaded: LoadedModel, folder: Path, quantization: str) -> Reader:
    """Open the model of the web app in onnxruntime."""
    return onnx.read(loaded, folder / MODEL, quantization)


def write_page(folder: Path, settings: dict[str, Any], programs: dict[str, bytes]) -> None:
    """Write everything but the model.

    Args:
        folder: holds the model already.
        settings: what the page is told.
        programs: files of the folder `runtime`, by name.
    """
    files = {**shared_files(), **device_files()}
    index = files["index.html"].decode().replace("</head>", f"{HEAD}</head>")
    files["index.html"] = index.encode()
    files["settings.json"] = _json(settings)
    files["simplified.json"] = _json(simplified_characters())
    for name, content in files.items():
        _put(folder / name if name in AT_THE_ROOT else folder / "page" / name, content)
    for name, content in programs.items():
        _put(folder / "runtime" / name, content)
    _put(folder / "manifest.webmanifest", _json(_manifest(settings["models"][0])))
    _put(folder / "files.js", f"self.APP = {json.dumps(_listed(folder))};\n".encode())


def simplified_characters() -> tuple[str, str]:
    """Traditional characters, and the simplified one that each becomes by itself."""
    blocks = (range(0x3400, 0x4DC0), range(0x4E00, 0xA000))
    before = [chr(code) for block in blocks for code in block if unicodedata.name(chr(code), "")]
    # One call: the characters are apart, so that no phrase is seen in them.
    after = to_simplified("\n".join(before)).split("\n")
    changed = [(a, b) for a, b in zip(before, after, strict=True) if a != b and len(b) == 1]
    return "".join(a for a, _ in changed), "".join(b for _, b in changed)


def _settings(loaded: LoadedModel, name: str, quantization: str) -> dict[str, Any]:
    known = getattr(loaded.whisper.generation_config, "lang_to_id", None) or {}
    return {
        "models": [name],
        "languages": [code for code in LANGUAGES if f"<|{code}|>" in known],
        "collect": False,
        "key_required": False,
        "on_device": True,
        "dtype": DTYPES[quantization],
    }


def _manifest(name: str) -> dict[str, Any]:
    sizes = {"icon-192.png": "192x192", "icon-512.png": "512x512"}
    return {
        "name": f"Speech to text: {name}",
        "short_name": "Whisper",
        "start_url": "./",
        "scope": "./",
        "display": "standalone",
        "background_color": "#f6f5f1",
        "theme_color": "#1f6f5c",
        "icons": [
            {"src": f"page/{file}", "sizes": size, "type": "image/png", "purpose": "any maskable"}
            for file, size in sizes.items()
        ],
    }


def _listed(folder: Path) -> dict[str, Any]:
    """Every file with its size, and a version that changes with any of their contents."""
    digest = hashlib.sha256()
    files = []
    for path in sorted(each for each in folder.rglob("*") if each.is_file()):
        name = path.relative_to(folder).as_posix()
        if name in ("service-worker.js", "files.js"):
            continue
        content = path.read_bytes()
        files.append([name, len(content)])
        digest.update(f"{name}\n{hashlib.sha256(content).hexdigest()}\n".encode())
    return {"version": digest.hexdigest()[:16], "files": files}


def _put(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()
