"""Libraries that not everyone has: found before the work begins, or one error that says how."""

from __future__ import annotations

import importlib.util

from utils.cli.errors import UserError

_WITH_ALL = "requirements.txt"
# Module -> its file of requirements, where that is not the one of all users.
_FILES = {
    "ctranslate2": "requirements/ct2.txt",
    "deepspeed": "requirements/deepspeed.txt",
    "ray": "requirements/ray.txt",
    "fastapi": "requirements/server.txt",
    "uvicorn": "requirements/server.txt",
    "httptools": "requirements/server.txt",
    "multipart": "requirements/server.txt",
    "python_multipart": "requirements/server.txt",
    "websockets": "requirements/server.txt",
    "prometheus_client": "requirements/server.txt",
    "neologdn": "requirements/languages.txt",
    "pythainlp": "requirements/languages.txt",
    "pyarabic": "requirements/languages.txt",
    "itn": "requirements/languages.txt",
    "onnx": "requirements/onnx.txt",
    "onnxruntime": "requirements/onnx.txt",
    "PySide6": "requirements/gui.txt",
    "pywhispercpp": "requirements/ggml.txt",
    "kaldialign": "requirements/scoring.txt",
    "meeteval": "requirements/scoring.txt",
    "sherpa_onnx": "requirements/sherpa.txt",
    "sounddevice": "requirements/microphone.txt",
    "whisper": "requirements/openai.txt",
    "tiktoken": "requirements/openai.txt",
}


def is_installed(module: str) -> bool:
    """Whether a module can be found, without importing it.

    Args:
        module: Its name, without dots.
    """
    try:
        return importlib.util.find_spec(module) is not None
    except ValueError:  # it was put into sys.modules by hand
        return False


def expect_installed(module: str, asked_for_by: str) -> None:
    """Refuse to go on without a module that was asked for.

    Args:
        module: Its name, without dots.
        asked_for_by: The flag, as the user gave it, such as "--use_8bit=True".

    Raises:
        UserError: It is not installed; says how to install it.
    """
    if not is_installed(module):
        raise UserError(f"{asked_for_by} needs {module}, which is not installed", how_to(module))


def how_to(module: str) -> str:
    """Return the command that installs a module.

    Args:
        module: Its name, without dots.
    """
    if module == "yt_dlp":
        return "pip install yt-dlp"
    before = "DS_BUILD_OPS=0 " if module == "deepspeed" else ""
    return f"{before}pip install -r {_FILES.get(module, _WITH_ALL)} -c constraints.txt"
