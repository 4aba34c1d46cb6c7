"""The dev set, which chooses the best checkpoint: its error rate and its loss.

B batch, T tokens.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from utils.audio.clip import Seconds
from utils.data.dataset import SpeechDataset, evaluation_keys
from utils.data.labels import IGNORED
from utils.manifest.utterance import Utterance
from utils.model.distributed import share_of, sum_over_processes
from utils.model.loaded import LoadedModel
from utils.transcription.decoding import Decoding
from utils.transcription.score import score_of


@dataclass(frozen=True)
class DevSet:
    """What chooses the best checkpoint.

    Attributes:
        utterances: to transcribe.
        dataset: the same, for the teacher-forced loss.
        decoding: how they are transcribed.
        metric: "cer" or "wer".
    """

    utterances: list[Utterance]
    dataset: SpeechDataset
    decoding: Decoding
    metric: str

    def error_rate(self, loaded: LoadedModel, desc: str) -> float:
        """What chooses the checkpoint, over all processes: `ErrorCounts.rank` of generated text.

        That is the corpus rate; on a dev set without words, the hallucinated tokens an utterance.

        Args:
            loaded: a whole model.
            desc: what the progress bar says.
        """
        score = score_of(loaded, self.utterances, self.decoding, metric=self.metric, desc=desc)
        return score.counts.rank

    @torch.no_grad()
    def loss(
        self,
        loaded: LoadedModel,
        collate: Callable[..., dict[str, Any]],
        window: Seconds,
        chunk: int,
    ) -> float:
        """Teacher-forced mean nats a token, over all processes.

        Args:
            loaded: a whole model, on its device.
            collate: makes batches of examples.
            window: of every batch, at least.
            chunk: token positions whose logits are held at once; 0 for all.
        """
        total, tokens = 0.0, 0.0
        device = next(loaded.model.parameters()).device
        options = {"loss_chunk": chunk, "merge_stride": loaded.merge_stride}
        keys = evaluation_keys(len(self.dataset), self.decoding.batch_size, window)
        for some in share_of(keys):
            batch = collate([self.dataset[key] for key in some])
            read = ("input_features", "decoder_input_ids", "labels")
            features, inputs, labels = (batch[name].to(device) for name in read)
            outputs = loaded.model(
                features, decoder_input_ids=inputs, loss_labels=labels, **options
            )
            total += outputs.token_loss_sum.item()
            tokens += labels.ne(IGNORED).sum().item()
        total, tokens = sum_over_processes(total, tokens)
        return total / max(tokens, 1.0)
