"""Transcribing speed: the stock pipeline, faster-whisper, and the engines here, at equal text.

    python benchmarks/engines.py                      # whisper-tiny, whisper-base, the demo's model
    python benchmarks/engines.py --models=output/demo/zh/merged/base-finetune --rounds=5

The shapes of whisper-tiny and whisper-base have random weights and write a fixed number of tokens;
speed does not depend on the text. faster-whisper fills a window with zeros after the mel
features and not with silence before them, so that its input differs from the others'; given
clips that are padded already its input is the same. All transcribe the same clips in turn, round by
round, so that a machine that slows down slows all of them. Each engine's text is compared with the
stock pipeline's and with faster-whisper's. Needs requirements/dev.txt.
Writes benchmarks/results/engines.json.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

# A script's own folder is on the path; the repository, which holds `utils`, is not.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.measured import REPOSITORY, machine, read_measured, spread, write_measured
from benchmarks.speed.tables import engine_table
from utils.cli.console import say
from utils.cli.errors import UserError, run_script
from utils.cli.flags import parse_settings

DEMO = "demo"
# (width, layers, heads) of the published models.
SHAPES = {"tiny": (384, 4, 6), "base": (512, 6, 8)}
REFERENCES = ("stock pipeline", "faster-whisper float32", "faster-whisper int8")
Engine = Callable[[], list[str]]
"""Transcribes all clips and returns their texts."""


@dataclass(frozen=True)
class EngineBenchSettings:
    """What is measured and how often."""

    models: list[str] = field(default_factory=lambda: ["tiny", "base", DEMO])
    """Any of tiny, base (published shapes, random weights), demo (demo/base), and folders of
    models that were fine-tuned."""
    data: str = "demo/zh/test.jsonl"
    """Manifest whose first clips are used."""
    clips: int = 16
    """Clips that each engine transcribes in a round."""
    tokens: int = 24
    """Tokens that a model with random weights writes for each clip."""
    rounds: int = 3
    """Times that each engine is measured, after one round that does not count."""
    output: str = "benchmarks/results/engines.json"
    """File for the measurements."""
    table: bool = False
    """Print the table of docs/evaluation.md from --output; nothing is measured."""

    def __post_init__(self) -> None:
        for name in self.models:
            if name not in (*SHAPES, DEMO) and not Path(name, "config.json").is_file():
                raise UserError(
                    f"--models={name}: neither {', '.join(SHAPES)} or {DEMO}, nor a model's folder",
                    "A model's folder holds a config.json; merge_lora.py writes one.",
                )


def main(argv: Sequence[str] | None = None) -> None:
    """Measure every engine on every model, write the file, say the ratios."""
    settings = parse_settings(
        EngineBenchSettings, argv, prog="engines.py", description=__doc__ or ""
    )
    os.chdir(REPOSITORY)
    if settings.table:
        say(engine_table(read_measured(settings.output)))
        return
    results: dict[str, Any] = {}
    for name in settings.models:
        with TemporaryDirectory() as folder:
            results[name] = measure_model(name, Path(folder), settings)
        describe(name, results[name])
    content = {"machine": _machine(), "settings": vars(settings), "models": results}
    write_measured(settings.output, content)


def measure_model(name: str, folder: Path, settings: EngineBenchSettings) -> dict[str, Any]:
    """Seconds and texts of all engines on one model, and the ratios round by round."""
    model = prepare_models(name, folder, settings.tokens)
    engines = all_engines(name, model, settings)
    seconds: dict[str, list[float]] = {each: [] for each in engines}
    texts: dict[str, list[str]] = {}
    for number in range(settings.rounds + 1):
        for each, transcribe in engines.items():
            began = time.perf_counter()
            texts[each] = transcribe()
            if number:  # the first round warms caches up
                seconds[each].append(time.perf_counter() - began)
    return {
        each: {
            "seconds": seconds[each],
            **{
                f"{_key(other)}_over_this": spread(
                    [a / b for a, b in zip(seconds[other], seconds[each], strict=True)]
                )
                for other in REFERENCES
            },
            **{
                f"text_equal_to_{_key(other)}": _equal(texts[each], texts[other])
                for other in REFERENCES
            },
        }
        for each in engines
    }


def prepare_models(name: str, folder: Path, tokens: int) -> dict[str, str]:
    """The model as a plain folder and converted; keys "plain", "float32" and "int8"."""
    from utils.export.ct2 import export

    plain = REPOSITORY / "demo" / "base" if name == DEMO else Path(name)
    if name in SHAPES:
        plain = folder / name
        write_random_model(plain, SHAPES[name], tokens)
    converted = {}
    for quantization in ("float32", "int8"):
        converted[quantization] = str(folder / quantization)
        # No clips: the texts of all engines are compared below.
        export(str(plain), Path(converted[quantization]), quantization, ())
    return {"plain": str(plain), **converted}


def write_random_model(folder: Path, shape: tuple[int, int, int], tokens: int) -> None:
    """Write a model of a published shape that writes exactly so many tokens for every clip."""
    import torch
    from transformers import GenerationConfig, WhisperConfig, WhisperProcessor

    from utils.model.audio_context.encoder import FlexibleWhisper
    from utils.model.folders import save_model

    width, layers, heads = shape
    source = REPOSITORY / "demo" / "base"
    config = WhisperConfig.from_pretrained(source)
    for half in ("encoder", "decoder"):
        values = {"layers": layers, "attention_heads": heads, "ffn_dim": 4 * width}
        config.update({f"{half}_{key}": value for key, value in values.items()})
    config.update({"d_model": width})
    torch.manual_seed(0)
    model = FlexibleWhisper(config)
    known = GenerationConfig.from_pretrained(source)
    known.suppress_tokens = [*(known.suppress_tokens or ()), config.eos_token_id]
    known.max_length = tokens + 4  # start, language, task, no timestamps
    known.alignment_heads = [[layer, 0] for layer in range(layers)]
    model.generation_config = known
    save_model(model, WhisperProcessor.from_pretrained(source), folder, "mixed")


def all_engines(
    name: str, model: dict[str, str], settings: EngineBenchSettings
) -> dict[str, Engine]:
    """Name -> a function that transcribes the clips; the references first."""
    from utils.audio.features import WINDOW_FRAMES, pad_samples
    from utils.audio.load import load_audio
    from utils.manifest.read import read_manifest
    from utils.transcription.decoding import Decoding
    from utils.transcription.engines.registry import open_engine
    from utils.transcription.transcribe import transcribe_with_engine

    utterances = list(read_manifest(settings.data))[: settings.clips]
    samples = [load_audio(utterance.audio) for utterance in utterances]
    language = str(utterances[0].language)
    limit = settings.tokens if name in SHAPES else None

    def ours(path: str, audio_context: Any) -> Engine:
        engine = open_engine(path)
        decoding = Decoding(
            batch_size=settings.clips, temperature_fallback=False, max_new_tokens=limit
        )
        decoding = replace(decoding, audio_context=audio_context)
        return lambda: [
            p.hypothesis
            for p in transcribe_with_engine(lambda: engine, utterances, decoding).predictions
        ]

    engines = {
        REFERENCES[0]: _stock_pipeline(model["plain"], samples, language, limit),
        REFERENCES[1]: _faster_whisper(model["float32"], samples, language, limit),
        REFERENCES[2]: _faster_whisper(model["int8"], samples, language, limit),
        "faster-whisper float32, given 30 s": _faster_whisper(
            model["float32"], list(pad_samples(samples, WINDOW_FRAMES).numpy()), language, limit
        ),
    }
    for context in ("full", "thinned", "dynamic"):
        engines[f"transformers, {context}"] = ours(model["plain"], context)
        for quantization in ("float32", "int8") if context != "thinned" else ():
            engines[f"ctranslate2 {quantization}, {context}"] = ours(model[quantization], context)
    return engines


def _stock_pipeline(path: str, samples: Sequence[Any], language: str, limit: int | None) -> Engine:
    from transformers import pipeline

    stock = pipeline("automatic-speech-recognition", model=path)
    options: dict[str, Any] = {"language": language, "task": "transcribe", "num_beams": 1}
    if limit is not None:
        options["max_new_tokens"] = limit
    # The pipeline takes its arrays out of the dicts that it is given.
    return lambda: [
        answer["text"].strip()
        for answer in stock([s.copy() for s in samples], generate_kwargs=dict(options))
    ]


def _faster_whisper(path: str, samples: Sequence[Any], language: str, limit: int | None) -> Engine:
    import torch
    from faster_whisper import WhisperModel

    model = WhisperModel(path, device="cpu", cpu_threads=torch.get_num_threads())
    known = json.loads(Path(path, "config.json").read_text(encoding="utf-8"))

    def transcribe() -> list[str]:
        texts = []
        for each in samples:
            segments, _ = model.transcribe(
                each,
                language=language,
                beam_size=1,
                temperature=0.0,
                without_timestamps=True,
                condition_on_previous_text=False,
                no_speech_threshold=None,
                suppress_tokens=known["suppress_ids"],
                max_new_tokens=limit,
            )
            texts.append("".join(segment.text for segment in segments).strip())
        return texts

    return transcribe


def describe(name: str, engines: dict[str, Any]) -> None:
    """Say how fast each engine is, and how many texts are equal."""
    for each, result in engines.items():
        stock, other = (result[f"{_key(r)}_over_this"]["median"] for r in REFERENCES[:2])
        say(
            f"{name:5} {each:34} {stock:5.2f} times the stock pipeline, "
            f"{other:5.2f} times faster-whisper; "
            f"equal text {result[f'text_equal_to_{_key(REFERENCES[0])}']}"
        )


def _key(name: str) -> str:
    return name.replace("-", "_").replace(" ", "_")


def _equal(texts: Sequence[str], others: Sequence[str]) -> str:
    return f"{sum(a == b for a, b in zip(texts, others, strict=True))} of {len(texts)}"


def _machine() -> dict[str, Any]:
    from importlib.metadata import version

    found = machine()
    names = ("ctranslate2", "faster-whisper")
    return {**found, "versions": {**found["versions"], **{n: version(n) for n in names}}}


if __name__ == "__main__":
    sys.exit(run_script(main))
