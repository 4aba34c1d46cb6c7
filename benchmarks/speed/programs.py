"""Programs that transcribe files, each in a process of its own; `benchmarks/inference.py` runs it.

    python benchmarks/speed/programs.py < request.json

A request names the program, its model, the files and the threads. The last line of the answer holds
the texts, the seconds (of the clock and of the processor, reading the files included) of each set,
the seconds that loading took, and the peak memory. Each program has the settings that it has by
itself, but for the beams and what the request says.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

REPOSITORY = Path(__file__).resolve().parent.parent.parent
# The repository, which holds `utils`, in place of the script's own folder: a library that
# openai-whisper loads looks for `coverage`, and would find the benchmark of that name.
sys.path[0] = str(REPOSITORY)

Program = Callable[[Sequence[str]], list[str]]
"""Transcribes files, and returns their texts."""


def main() -> None:
    """Answer the request that stands on standard input."""
    import torch

    request = json.load(sys.stdin)
    torch.set_num_threads(request["threads"])
    open_program, package = OPENERS[request["kind"]]
    began = time.perf_counter()
    transcribe = open_program(request["model"], request["threads"], **request["options"])
    loading = time.perf_counter() - began
    transcribe(request["warm_up"])
    sets = {}
    for name, files in request["sets"].items():
        began, used = time.perf_counter(), _processor_seconds()
        texts = transcribe(files)
        seconds = time.perf_counter() - began
        sets[name] = {
            "texts": texts,
            "seconds": seconds,
            "processor_seconds": _processor_seconds() - used,
        }
    answer = {
        "version": f"{package} {version(package)}",
        "load_seconds": loading,
        "peak_bytes": _peak_bytes(),
        "sets": sets,
    }
    sys.stdout.write("\n" + json.dumps(answer, ensure_ascii=False) + "\n")


def _processor_seconds() -> float:
    return time.process_time()


def _peak_bytes() -> int:
    """Most memory that was held; Linux counts in `ru_maxrss` what the parent held too."""
    status = Path("/proc/self/status")
    if status.is_file():
        (line,) = [each for each in status.read_text().splitlines() if each.startswith("VmHWM")]
        return 1024 * int(line.split()[1])
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _samples(path: str) -> Any:
    """float32 `(S,)` of a 16 kHz file."""
    import soundfile

    samples, rate = soundfile.read(path, dtype="float32")
    assert rate == 16_000
    return samples


def open_infer(model: str, threads: int, **flags: Any) -> Program:
    """What infer.py does with its default flags, all files in one call."""
    from utils.parallel.journal import Journal
    from utils.parallel.shards import parse_shard
    from utils.transcription.infer.inputs import find_sources
    from utils.transcription.infer.model import decoding_of, open_decoder
    from utils.transcription.infer.run import Run
    from utils.transcription.infer.settings import InferSettings

    keep = TemporaryDirectory()
    folder = Path(keep.name)
    settings = InferSettings(
        model_path=model,
        threads=threads,
        use_gpu=False,
        output_dir=str(folder),
        resume=False,
        verbose=False,
        **flags,
    )
    decoding = decoding_of(settings)
    decoder = open_decoder(settings, decoding)

    def transcribe(files: Sequence[str]) -> list[str]:
        keep.name  # noqa: B018 - the folder is there as long as this function
        journal = Journal(folder / "infer.jsonl")
        sources, _ = find_sources(files, folder, journal, parse_shard(None))
        # Loaded once, as the others are.
        run = Run(settings, decoding, journal, engine=decoder.engine)
        run.transcribe(sources)
        texts = {}
        for source in sources:
            written = Path(folder, f"{source.stem}.json").read_text(encoding="utf-8")
            texts[str(source.path)] = json.loads(written)["text"]
        return [texts[file].strip() for file in files]

    return transcribe


def open_openai(model: str, threads: int, beams: int = 1) -> Program:
    """openai-whisper's `transcribe`."""
    import whisper

    loaded = whisper.load_model(model, device="cpu")

    def one(file: str) -> str:
        found = whisper.transcribe(
            loaded,
            _samples(file),
            fp16=False,
            verbose=None,
            beam_size=beams if beams > 1 else None,
            language=None if loaded.is_multilingual else "en",
        )
        return str(found["text"]).strip()

    return lambda files: [one(file) for file in files]


def open_faster_whisper(
    model: str, threads: int, compute_type: str = "float32", beams: int = 1
) -> Program:
    """faster-whisper's `WhisperModel.transcribe`."""
    import faster_whisper

    loaded = faster_whisper.WhisperModel(
        model, device="cpu", compute_type=compute_type, cpu_threads=threads
    )

    def one(file: str) -> str:
        segments, _ = loaded.transcribe(_samples(file), beam_size=beams)
        return "".join(segment.text for segment in segments).strip()

    return lambda files: [one(file) for file in files]


def open_whisper_cpp(model: str, threads: int, beams: int = 1) -> Program:
    """whisper.cpp through pywhispercpp."""
    import numpy as np
    from pywhispercpp.model import Model

    options: dict[str, Any] = {
        "n_threads": threads,
        "print_progress": False,
        "print_realtime": False,
        "language": "en" if ".en" in Path(model).parent.name else "auto",
    }
    if beams > 1:
        options["beam_search"] = {"beam_size": beams, "patience": -1.0}
    loaded = Model(
        model,
        params_sampling_strategy=1 if beams > 1 else 0,
        redirect_whispercpp_logs_to=None,
        **options,
    )

    def one(file: str) -> str:
        # It transcribes nothing of what is under a second.
        samples = _samples(file)
        samples = np.pad(samples, (0, max(0, 17_000 - len(samples))))
        return "".join(segment.text for segment in loaded.transcribe(samples)).strip()

    return lambda files: [one(file) for file in files]


def open_pipeline(model: str, threads: int) -> Program:
    """The pipeline of transformers."""
    from transformers import pipeline

    recognise: Any = pipeline("automatic-speech-recognition", model=model, device="cpu")

    def one(file: str) -> str:
        samples = _samples(file)
        found = recognise(samples, return_timestamps=len(samples) > 480_000)
        return str(found["text"]).strip()

    return lambda files: [one(file) for file in files]


OPENERS: dict[str, tuple[Callable[..., Program], str]] = {
    "infer": (open_infer, "transformers"),
    "infer ct2": (open_infer, "ctranslate2"),
    "openai": (open_openai, "openai-whisper"),
    "faster-whisper": (open_faster_whisper, "faster-whisper"),
    "whisper.cpp": (open_whisper_cpp, "pywhispercpp"),
    "pipeline": (open_pipeline, "transformers"),
}

if __name__ == "__main__":
    main()
