"""Settings of `pseudo_label.py`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from utils.cli.errors import UserError

WINDOW_SECONDS = 30.0


@dataclass(frozen=True, kw_only=True)
class PseudoLabelSettings:
    """Which recordings, how to cut and label them, and what to keep."""

    audio: tuple[str, ...]
    """Recordings, folders of recordings, and URLs of pages or playlists, separated by commas."""
    output_dir: str = "dataset/pseudo/"
    """Folder for train.json, the audio, the log, and the journal of what is done."""
    model_path: str = "openai/whisper-tiny"
    """Model that writes the labels: a folder, an adapter, or a name on the hub."""
    local_files_only: bool = False
    """Never ask the hub for a model."""
    language: str | None = None
    """Language of the speech, such as Chinese. None lets the model detect it for each segment."""
    min_len: float = 5.0
    """Shortest segment, in seconds."""
    max_len: float = 30.0
    """Longest segment, in seconds; at most 30."""
    window: float | None = None
    """Cut into windows of this many seconds instead of at silences."""
    overlap: float = 0.0
    """Seconds that each window overlaps the one before it."""
    batch_size: int = 16
    """Segments labelled at a time."""
    num_beams: int = 1
    """Beams of the search; 1 is greedy."""
    second_model: str | None = None
    """A second model, whose agreement with the first is measured."""
    second_num_beams: int | None = None
    """Beams of a second decoding, whose agreement with the first is measured. Done by
    --second_model if that is given, else by the same model."""
    min_confidence: float = 0.0
    """Leave out texts whose mean token probability is below this (0 to 1)."""
    max_disagreement: float | None = None
    """Leave out texts that differ from the second decoding in more than this share of words."""
    max_compression_ratio: float = 2.4
    """Leave out texts that zlib compresses more than this: the model repeats itself in them."""
    num_workers: int = 2
    """Threads that read audio in advance."""
    shard: str | None = None
    """Process only this part of the recordings, such as 2/8. The files written get the part's name;
    `custom.py manifest` joins the manifests."""
    engine: Literal["local", "ray"] = "local"
    """Where decoding and labelling run: in this process (local), or with Ray Data (ray, which is
    an extra; see docs/data.md)."""
    resume: bool = True
    """Continue where the last run ended; False starts again."""

    def __post_init__(self) -> None:
        if not 0 < self.min_len <= self.max_len <= WINDOW_SECONDS:
            raise UserError(
                f"--min_len={self.min_len:g} and --max_len={self.max_len:g}: expected "
                f"0 < min_len <= max_len <= {WINDOW_SECONDS:g}",
                "Whisper processes 30 s at a time",
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
