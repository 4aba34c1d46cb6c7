"""Settings of `infer_gui.py`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from utils.cli.errors import UserError


@dataclass(frozen=True, kw_only=True)
class GuiSettings:
    """What the window shows at first. All of it can be changed in the window."""

    model_path: str = "models/whisper-tiny-finetune"
    """Model: a folder, an adapter, a CTranslate2 or ONNX folder, a name on the hub, a GGML file of
    whisper.cpp, or a .pt file of openai-whisper."""
    audio_path: str | None = None
    """Recording that is open at first: a sound or video file."""
    language: str | None = None
    """Language of the speech, such as Chinese or zh. None detects it for each recording."""
    task: Literal["transcribe", "translate"] = "transcribe"
    """Transcribe, or translate to English."""
    device: str | None = None
    """Device: cpu, cuda, cuda:1 or mps. None takes a GPU if there is one."""
    local_files_only: bool = False
    """Never ask the hub for the model."""
    recordings_dir: str = "output/recordings/"
    """Folder for what is recorded with the microphone."""
    window_language: Literal["en", "zh"] | None = None
    """Language of the window. None takes that of the system."""
    self_check: bool = False
    """Transcribe --audio_path, print the text, and close the window: whether all that the window
    needs is installed."""

    def __post_init__(self) -> None:
        if self.self_check and not self.audio_path:
            raise UserError("--self_check needs a recording", "add --audio_path=talk.mp3")
