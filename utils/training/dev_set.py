"""The dev set, which chooses the best checkpoint: its error rate and its loss.

B batch, T tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from utils.audio.clip import Seconds
from utils.cli.console import warn
from utils.data.dataset import SpeechDataset, evaluation_keys
from utils.data.labels import IGNORED
from utils.manifest.utterance import Utterance
from utils.model.distributed import share_of, sum_over_processes
from utils.model.loaded import LoadedModel
from utils.scoring.hallucinations import describe_loops, without_loops
from utils.scoring.score import Score
from utils.scoring.statistics import rate_interval
from utils.transcription.decoding import Decoding
from utils.transcription.score import score_of

WITHOUT_LOOPS = "_without_loops"


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

    def score(self, loaded: LoadedModel, desc: str) -> Score:
        """Transcribe the dev set; complete on every process.

        Args:
            loaded: a whole model.
            desc: what the progress bar says.
        """
        return score_of(loaded, self.utterances, self.decoding, metric=self.metric, desc=desc)

    def error_rates(self, score: Score, desc: str) -> dict[str, float]:
        """What chooses the checkpoint: `ErrorCounts.rank` of generated text.

        That is the corpus rate; on a dev set without words, the hallucinated tokens an utterance.

        Args:
            score: of the dev set.
            desc: what the warning about loops says.

        Returns:
            `dev_cer` or `dev_wer`, with the ends of its 95 % interval (`dev_cer_low`,
            `dev_cer_high`) where there is one; where utterances loop also their number,
            `dev_loops`, and the rate with each repeated phrase once, `dev_cer_without_loops`.
        """
        name = f"dev_{self.metric}"
        found = {name: score.counts.rank}
        interval = rate_interval(score)
        if interval is not None:
            found[f"{name}_low"], found[f"{name}_high"] = interval
        errors, loops = without_loops(score)
        if loops:
            warn(f"{desc}: {describe_loops(score, errors, loops)}")
            tokens = int(score.tokens.sum())
            if tokens:
                found[f"{name}{WITHOUT_LOOPS}"] = int(errors.sum()) / tokens
            found["dev_loops"] = len(loops)
        return found

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


def choice_that_loops_made(events: Sequence[dict[str, Any]], metric: str) -> str | None:
    """Say that, but for loops, another step would have had the lowest dev error.

    Args:
        events: of the Trainer's log.
        metric: "cer" or "wer".

    Returns:
        A sentence; None where loops decided nothing.
    """
    name = f"dev_{metric}"
    scored = [each for each in events if name in each]
    if not scored:
        return None

    def without(event: dict[str, Any]) -> float:
        return float(event.get(f"{name}{WITHOUT_LOOPS}", event[name]))

    best, other = min(scored, key=lambda each: each[name]), min(scored, key=without)
    if without(other) >= without(best):
        return None
    count = f"{other['dev_loops']:.0f} utterance" + ("s" if other["dev_loops"] > 1 else "")
    return (
        f"loops decided which checkpoint is the best: at step {other['step']} {count} of the dev "
        f"set looped, and its {metric.upper()} is {other[name]:.2%}; with each repeated phrase "
        f"once it is {without(other):.2%}, and {without(best):.2%} at step {best['step']}, "
        "which is kept"
    )
