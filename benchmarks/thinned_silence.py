r"""How close the answers on cut and thinned windows are to those on windows of 30 s.

    python benchmarks/thinned_silence.py --model=../shared/models/whisper-base \
        --data=../shared/data/zh_aishell_S0150/test.jsonl
    python benchmarks/thinned_silence.py --table=True --picture=docs/images/thinned-windows.png \
        --beside=benchmarks/results/thinned_silence_en.json

The model transcribes some clips on windows of 30 s; then its own transcripts are teacher-forced on
shorter windows. For each stride of the silence (0 cuts it off, 1 is all of it): how many positions
the encoder computes; how far the decoder's probabilities diverge from those on 30 s
(Kullback-Leibler, nats a token); at how many tokens the likeliest is still the same; and the error
of the encoder's states of the speech, relative to their norm. Writes
benchmarks/results/thinned_silence.json.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

# A script's own folder is on the path; the repository, which holds `utils`, is not.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.measured import REPOSITORY, machine, read_measured, write_measured
from utils.cli.console import say
from utils.cli.errors import run_script
from utils.cli.flags import parse_settings
from utils.cli.progress import progress
from utils.report.tables import markdown_table

if TYPE_CHECKING:
    import torch

    from utils.transcription.engines.transformers import EncoderStates, TransformersEngine

MOST_TOKENS = 60


@dataclass(frozen=True)
class ThinnedSilenceSettings:
    """What is measured."""

    model: str = "demo/base"
    """Whisper that transcribes, best one that was trained on windows of 30 s alone."""
    data: str = "demo/zh/test.jsonl"
    """Manifest whose clips are spread over."""
    clips: int = 30
    """Clips that are transcribed."""
    strides: tuple[int, ...] = (0, 1, 2, 3, 4, 5, 6, 8, 16)
    """Of the silence; 0 cuts it off."""
    margin: float = 0.5
    """Seconds of silence after the speech that are kept whole."""
    output: str = "benchmarks/results/thinned_silence.json"
    """File for the measurements."""
    table: bool = False
    """Print the table of docs/speed.md from --output; nothing is measured."""
    picture: str | None = None
    """PNG to draw: divergence over positions, of --output and of --beside."""
    beside: tuple[str, ...] = ()
    """Files of further measurements for --picture, separated by commas."""


def main(argv: Sequence[str] | None = None) -> None:
    """Measure every stride, write the file, say the table."""
    settings = parse_settings(
        ThinnedSilenceSettings, argv, prog="thinned_silence.py", description=__doc__ or ""
    )
    os.chdir(REPOSITORY)
    if not settings.table:
        found = {"machine": machine(), "settings": vars(settings), **measure(settings)}
        write_measured(settings.output, {"schema": 1, **found})
    if settings.picture is not None:
        draw(
            [read_measured(path) for path in (settings.output, *settings.beside)], settings.picture
        )
    say(table(read_measured(settings.output)))


def draw(measured: Sequence[dict[str, Any]], picture: str) -> None:
    """Draw how far the answers diverge from those on 30 s, over the positions computed."""
    from utils.report.figures.curves import COLOURS, new_figure, save_figure

    figure, axes = new_figure()
    for found, colour in zip(measured, COLOURS, strict=False):
        rows = {int(stride): row for stride, row in found["rows"].items() if stride != "1"}
        points = sorted(
            (row["positions"], row["divergence"], stride) for stride, row in rows.items()
        )
        label = f"{Path(found['settings']['data']).parent.name}, {found['mean_seconds']:.1f} s"
        places, heights = [p[0] for p in points], [p[1] for p in points]
        axes.plot(places, heights, color=colour, marker="o", linewidth=2, label=label)
        # Both have the same strides, in the same order.
        for position, divergence, stride in points if found is measured[0] else ():
            text = "cut off" if stride == 0 else f"1 in {stride}"
            axes.annotate(
                text, (position, divergence), xytext=(5, 5), textcoords="offset points", fontsize=7
            )
    axes.set_yscale("log")
    axes.set_title(
        "Divergence from 30 s (nats a token), positions computed", loc="left", fontsize=11
    )
    axes.set_xlabel("encoder positions of 1500")
    axes.legend(frameon=False)
    save_figure(figure, Path(picture))


def measure(settings: ThinnedSilenceSettings) -> dict[str, Any]:
    """Every stride on every clip, means over tokens and over clips."""
    from utils.audio.features import SAMPLE_RATE
    from utils.audio.load import load_audio
    from utils.manifest.read import read_manifest
    from utils.model.load import load_model
    from utils.transcription.engines.transformers import TransformersEngine

    engine = TransformersEngine(load_model(settings.model))
    utterances = read_manifest(settings.data)
    every = max(1, len(utterances) // settings.clips)
    chosen = [utterances[place] for place in range(0, len(utterances), every)][: settings.clips]
    rows = {stride: _Sums() for stride in settings.strides}
    seconds = 0.0
    for utterance in progress(chosen, total=len(chosen), desc="clips", unit="clip"):
        samples = load_audio(utterance.audio)
        seconds += len(samples) / SAMPLE_RATE
        _add_clip(engine, samples, utterance.language, settings.margin, rows)
    return {
        "mean_seconds": seconds / len(chosen),
        "rows": {str(stride): sums.means(len(chosen)) for stride, sums in rows.items()},
    }


@dataclass
class _Sums:
    """Over clips (positions, state_error) and tokens (the others)."""

    positions: int = 0
    tokens: int = 0
    divergence: float = 0.0
    same: int = 0
    state_error: float = 0.0

    def means(self, clips: int) -> dict[str, float]:
        return {
            "positions": self.positions / clips,
            "divergence": self.divergence / self.tokens,
            "same_token": self.same / self.tokens,
            "state_error": self.state_error / clips,
        }


def _add_clip(
    engine: TransformersEngine,
    samples: Any,
    language: str | None,
    margin: float,
    rows: dict[int, _Sums],
) -> None:
    """Add a clip to the sums of all strides."""
    import torch

    from utils.audio.features import SAMPLE_RATE, WINDOW_FRAMES, pad_samples, window_frames
    from utils.transcription.engines.registry import Search

    whisper = engine.whisper
    spoken = window_frames(len(samples)) // 2
    full = engine.encode(engine.log_mel(pad_samples([samples], WINDOW_FRAMES)))
    prompt = torch.tensor([engine.label_encoder(language, "transcribe").prompt()])
    (answer,) = engine.generate(full, prompt, Search(MOST_TOKENS))
    ids = torch.cat([prompt, torch.tensor([answer.ids], dtype=torch.long)], dim=1)
    expected = _log_probabilities(whisper, ids, full)[prompt.shape[1] - 1 :]
    for stride, sums in rows.items():
        kept = round(margin * SAMPLE_RATE) if stride else 0
        frames = window_frames(len(samples) + kept)
        states = engine.encode(engine.log_mel(pad_samples([samples], frames)), stride)
        found = _log_probabilities(whisper, ids, states)[prompt.shape[1] - 1 :]
        sums.positions += states.hidden.shape[1]
        sums.tokens += len(found)
        sums.divergence += (expected.exp() * (expected - found)).sum().item()
        sums.same += int((expected.argmax(-1) == found.argmax(-1)).sum())
        error = states.hidden[:, :spoken] - full.hidden[:, :spoken]
        sums.state_error += (error.norm() / full.hidden[:, :spoken].norm()).item()


def _log_probabilities(whisper: Any, ids: torch.Tensor, states: EncoderStates) -> torch.Tensor:
    """Of every next token, float32 `(T, V)`."""
    import torch

    with torch.no_grad():
        found = whisper.decoder_states(ids, states.hidden, merge_stride=states.merge_stride)
        logits: torch.Tensor = whisper.proj_out(found)[0]
    return logits.float().log_softmax(-1)


def table(found: dict[str, Any]) -> str:
    """A line for each stride, as Markdown.

    Args:
        found: content of the file.
    """
    named = {"0": "cut off", "1": "all of it"}
    rows = [
        [
            named.get(stride, f"one in {stride}"),
            f"{row['positions']:.0f}",
            f"{row['divergence']:.4f}",
            f"{row['same_token']:.1%}",
            f"{row['state_error']:.1%}",
        ]
        for stride, row in found["rows"].items()
    ]
    header = ["silence", "positions", "divergence, nats a token", "same likeliest token"]
    return markdown_table([*header, "error of the speech's states"], rows, words=1)


if __name__ == "__main__":
    sys.exit(run_script(main))
