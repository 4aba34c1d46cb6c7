"""The process that runs sherpa-onnx's diarization for `speakers.py`.

Its argument is a JSON object with the models; standard input holds the samples (float32, 16 kHz).
The last line of standard output is a JSON list of [start, end, speaker's number].
"""

from __future__ import annotations

import json
import sys

import numpy as np


def main(request: dict[str, object], samples: np.ndarray) -> list[tuple[float, float, int]]:
    """Find the turns of a recording.

    Args:
        request: `segmentation`, `embedding`, `speakers` (-1: unknown) and `threads`.
        samples: float32 `(num_samples,)`, 16 kHz.

    Raises:
        ValueError: the library refuses the models.
    """
    import sherpa_onnx

    threads = request["threads"]
    config = sherpa_onnx.OfflineSpeakerDiarizationConfig(
        segmentation=sherpa_onnx.OfflineSpeakerSegmentationModelConfig(
            pyannote=sherpa_onnx.OfflineSpeakerSegmentationPyannoteModelConfig(
                model=request["segmentation"]
            ),
            num_threads=threads,
        ),
        embedding=sherpa_onnx.SpeakerEmbeddingExtractorConfig(
            model=request["embedding"], num_threads=threads
        ),
        clustering=sherpa_onnx.FastClusteringConfig(num_clusters=request["speakers"]),
    )
    if not config.validate():
        raise ValueError("the models are not of the kind that it reads")
    diarization = sherpa_onnx.OfflineSpeakerDiarization(config)
    if diarization.sample_rate != 16_000:
        raise ValueError(f"the models are for {diarization.sample_rate} Hz, expected 16000")
    found = diarization.process(samples).sort_by_start_time()
    return [(round(each.start, 3), round(each.end, 3), each.speaker) for each in found]


if __name__ == "__main__":
    turns = main(json.loads(sys.argv[1]), np.frombuffer(sys.stdin.buffer.read(), "<f4"))
    sys.stdout.write(json.dumps(turns) + "\n")
