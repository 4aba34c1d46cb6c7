"""whisper.cpp in a process of its own, which the library aborts on what it does not know.

Reads a request as JSON from standard input, writes the answers as the last line of standard output;
see `utils.export.ggml.run_child`. Imports nothing of the project.
"""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Any

import _pywhispercpp as library
import numpy as np


def main() -> None:
    """Answer one request."""
    request = json.load(sys.stdin)
    options = library.whisper_context_default_params()
    options.use_gpu = False
    context = library.whisper_init_from_file_with_params(request["model"], options)
    if context is None:
        sys.exit("the file could not be loaded")
    answers = [_answer(context, task) for task in request["tasks"]]
    sys.stdout.write("\n" + json.dumps(answers) + "\n")


def _answer(context: Any, task: dict[str, Any]) -> dict[str, Any]:
    """Greedy tokens of one clip of 30 s, without fallback and timestamps."""
    strategy = library.whisper_sampling_strategy.WHISPER_SAMPLING_GREEDY
    settings = library.whisper_full_default_params(strategy)
    settings.greedy = {"best_of": 1}
    settings.n_threads = int(os.environ.get("OMP_NUM_THREADS", "0")) or (os.cpu_count() or 1)
    settings.language = task["language"] if library.whisper_is_multilingual(context) else "en"
    settings.no_timestamps = settings.single_segment = settings.no_context = True
    settings.print_progress = settings.print_timestamps = False
    settings.temperature_inc = 0.0
    settings.no_speech_thold = 2.0  # a probability never passes it
    samples = np.load(task["samples"])
    began = time.perf_counter()
    code = library.whisper_full(context, settings, samples, samples.size)
    seconds = time.perf_counter() - began
    if code:
        sys.exit(f"whisper_full answered {code}")
    ids = [
        library.whisper_full_get_token_id(context, segment, token)
        for segment in range(library.whisper_full_n_segments(context))
        for token in range(library.whisper_full_n_tokens(context, segment))
    ]
    return {"ids": ids[: task["room"]], "seconds": seconds}


if __name__ == "__main__":
    main()
