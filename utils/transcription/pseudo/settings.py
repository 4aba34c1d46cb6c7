"""What `pseudo_label.py` is asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from utils.cli.errors import UserError

WINDOW_SECONDS = 30.0


@dataclass(frozen=True, kw_only=True)
class PseudoLabelSettings:
    """Which recordings, how to cut and label them, and what to keep."""

    audio: tuple[str, ...]
    """Recordings, folders of them, and addresses of pages or playlists, with commas between."""
    output_dir: str = "dataset/pseudo/"
    """Folder for train.json, the audio, the log, and what was done so far."""
    model_path: str = "openai/whisper-tiny"
    """Model that labels: a folder, an adapter, or a name on the hub."""
    local_files_only: bool = False
    """Never ask the hub."""
    language: str | None = None
    """What is spoken, such as Chinese; None lets the model detect it for each piece."""
    min_len: float = 5.0
    """Shortest piece, in seconds."""
    max_len: float = 30.0
    """Longest piece, in seconds; at most 30."""
    window: float | None = None
    """Cut every so many seconds instead of in silence."""
    overlap: float = 0.0
    """Seconds that each window shares with the one before it."""
    batch_size: int = 16
    """Pieces labelled together."""
    num_beams: int = 1
    """Beams of the decoding; 1 is greedy search."""
    second_model: str | None = None
    """Another model whose agreement is measured."""
    second_num_beams: int | None = None
    """Beams of a second decoding whose agreement is measured, by --second_model or else by the
    same model."""
    min_confidence: float = 0.0
    """Leave out texts whose mean token probability is below this, 0 to 1."""
    max_disagreement: float | None = None
    """Leave out texts that differ from the second one in more than this share of their words."""
    max_compression_ratio: float = 2.4
    """Leave out texts that zlib shortens more than this: a model that repeats itself."""
    num_workers: int = 2
    """Threads that read audio ahead."""
    shard: str | None = None
    """Take only this part of the recordings, such as 2/8; what is written gets the part's name, and
    `custom.py manifest` joins the manifests."""
    engine: Literal["local", "ray"] = "local"
    """What decodes and labels: this process, or Ray Data (an extra, see docs/data.md)."""
    resume: bool = True
    """Go on where the last run was; False forgets what was cut and labelled."""

    def __post_init__(self) -> None:
        if not 0 < self.min_len <= self.max_len <= WINDOW_SECONDS:
            raise UserError(
                f"--min_len={self.min_len:g} and --max_len={self.max_len:g}: expected "
                f"0 < min_len <= max_len <= {WINDOW_SECONDS:g}",
                "Whisper hears 30 s at a time",
            )
        if self.window is not None and not 0 < self.window <= WINDOW_SECONDS:
            raise UserError(f"--window={self.window:g}: expected seconds above 0, at most 30")
        if self.window is None and self.overlap:
            raise UserError(
                f"--overlap={self.overlap:g} is for windows", "give --window too, or leave it out"
            )
        if self.max_disagreement is not None and not self.has_second:
            raise UserError(
                f"--max_disagreement={self.max_disagreement:g} compares two texts, but there is "
                "only one",
                "name a --second_model, or a second decoding with --second_num_beams=5",
            )

    @property
    def has_second(self) -> bool:
        """Whether every piece is labelled twice."""
        return self.second_model is not None or self.second_num_beams is not None
