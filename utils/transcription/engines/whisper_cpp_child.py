"""The process in which whisper.cpp runs: it ends the process where a file is not to its liking.

Started by `whisper_cpp.WhisperCpp` as `python -m ... MODEL`. A request is a line of JSON and the
bytes of the samples; an answer is a line of JSON.
"""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Any, BinaryIO

import numpy as np


def main(model_path: str, requests: BinaryIO, answers: BinaryIO) -> None:
    """Load a model, say so, and answer requests until there are no more."""
    import _pywhispercpp as library

    options = library.whisper_context_default_params()
    context = library.whisper_init_from_file_with_params(model_path, options)
    _send(answers, {"multilingual": library.whisper_token_eot(context) != 50256})
    while line := requests.readline():
        request = json.loads(line)
        samples = np.frombuffer(requests.read(4 * request.pop("num_samples")), dtype=np.float32)
        _send(answers, _transcribe(library, context, samples, request))


def _transcribe(
    library: Any, context: Any, samples: np.ndarray, request: dict[str, Any]
) -> dict[str, Any]:
    beams = request.pop("num_beams")
    strategies = library.whisper_sampling_strategy
    beam = strategies.WHISPER_SAMPLING_BEAM_SEARCH
    params = library.whisper_full_default_params(
        beam if beams > 1 else strategies.WHISPER_SAMPLING_GREEDY
    )
    if beams > 1:
        params.beam_search = {"beam_size": beams, "patience": -1.0}
    params.print_progress = params.print_realtime = params.print_timestamps = False
    params.no_context = True
    for name, value in request.items():
        setattr(params, name, value)
    began = time.perf_counter()
    code = library.whisper_full(context, params, samples, len(samples))
    seconds = time.perf_counter() - began
    if code != 0:
        return {"error": f"whisper.cpp ended with code {code}"}
    end = library.whisper_token_eot(context)
    return {
        "seconds": seconds,
        "language": library.whisper_lang_str(library.whisper_full_lang_id(context)),
        "segments": [
            _segment(library, context, number, end)
            for number in range(library.whisper_full_n_segments(context))
        ],
    }


def _segment(library: Any, context: Any, number: int, end: int) -> dict[str, Any]:
    count = library.whisper_full_n_tokens(context, number)
    ids = [library.whisper_full_get_token_id(context, number, place) for place in range(count)]
    chances = [library.whisper_full_get_token_p(context, number, i) for i in range(count)]
    text = library.whisper_full_get_segment_text(context, number)
    return {
        "start": library.whisper_full_get_segment_t0(context, number) / 100,
        "end": library.whisper_full_get_segment_t1(context, number) / 100,
        "text": text.decode("utf-8", "replace") if isinstance(text, bytes) else text,
        "ids": [token for token in ids if token < end],
        "logprob": float(np.mean(np.log(np.maximum(chances, 1e-9)))) if chances else 0.0,
    }


def _send(answers: BinaryIO, value: dict[str, Any]) -> None:
    answers.write(json.dumps(value).encode() + b"\n")
    answers.flush()


if __name__ == "__main__":
    # The library prints where it likes; answers go out by themselves.
    kept = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    main(sys.argv[1], sys.stdin.buffer, kept)
