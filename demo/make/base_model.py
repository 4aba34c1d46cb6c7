"""The base model: a small Whisper, trained on the general corpus with a compact vocabulary.

B batch, T tokens, F frames (10 ms each), M mel bins, D model width.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn.functional import cross_entropy, ctc_loss
from transformers import WhisperConfig, WhisperFeatureExtractor
from transformers.cache_utils import DynamicCache, EncoderDecoderCache

from demo.make.base_corpus import BaseCorpus
from demo.make.compact import CompactVocabulary
from demo.make.examples import IGNORED, BaseTraining, Batch, ExampleMaker, collate
from demo.make.tokenizer import (
    END_OF_TEXT,
    NO_TIMESTAMPS,
    START,
    TRANSCRIBE,
    VOCABULARY_SIZE,
    language_id,
)
from utils.audio.features import LogMel, pad_samples, window_frames
from utils.model.audio_context.encoder import FlexibleWhisper

# (layer, head): they look at the sound of the token that is said next, and so tell its time.
ALIGNMENT_HEADS = ((1, 0), (2, 0))
# These look at the sound of the token that was read: from there it is a step to the next.
READING_HEADS = ((0, 0),)

Encode = Callable[[str, str], list[int]]


def base_config(vocabulary_size: int = VOCABULARY_SIZE) -> WhisperConfig:
    """Return the base model's shape: 128 wide, heads of 64, 3 + 3 layers.

    Two decoder layers would make whisper.cpp take it for a distilled model.
    """
    # In a compact vocabulary the special tokens keep their distance from the end.
    shift = VOCABULARY_SIZE - vocabulary_size
    end = END_OF_TEXT - shift
    return WhisperConfig(
        vocab_size=vocabulary_size,
        num_mel_bins=80,
        d_model=128,
        encoder_layers=3,
        decoder_layers=3,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=512,
        decoder_ffn_dim=512,
        max_source_positions=1500,
        max_target_positions=448,
        dropout=0.0,
        pad_token_id=end,
        bos_token_id=end,
        eos_token_id=end,
        decoder_start_token_id=START - shift,
        begin_suppress_tokens=None,
        suppress_tokens=None,
    )


def new_log_mel() -> LogMel:
    """Return Whisper's log-mel features with 80 bins."""
    return LogMel(WhisperFeatureExtractor(feature_size=80).mel_filters)


def learning_rate_share(step: int, settings: BaseTraining) -> float:
    """Return the share of the full learning rate at a step: warm-up, then half a cosine."""
    if step < settings.warmup_steps:
        return (step + 1) / settings.warmup_steps
    done = (step - settings.warmup_steps) / max(1, settings.steps - settings.warmup_steps)
    return 0.5 * (1 + math.cos(math.pi * min(done, 1.0)))


@torch.no_grad()
def initialise(model: FlexibleWhisper) -> None:
    """Draw weights that keep the scale of a signal from layer to layer, in place.

    The stock weights (standard deviation 0.02) are meant for wider models; at this width they
    shrink a signal from layer to layer.
    """
    branches = 2 * model.config.encoder_layers
    for name, module in model.named_modules():
        if isinstance(module, torch.nn.Linear) and name != "proj_out":
            # The ends of residual branches are smaller, for their sum is what counts.
            ends = name.endswith(("out_proj", "fc2"))
            module.weight.normal_(0, (module.in_features * (branches if ends else 1)) ** -0.5)
    encoder = model.model.encoder
    encoder.conv1.weight.normal_(0, (2 / encoder.conv1.weight[0].numel()) ** 0.5)
    encoder.conv2.weight.normal_(0, (2 / encoder.conv2.weight[0].numel()) ** 0.5)
    model.model.decoder.embed_tokens.weight.normal_(0, 0.05)


def new_optimizers(
    model: FlexibleWhisper, word_head: torch.nn.Linear, settings: BaseTraining
) -> list[torch.optim.Optimizer]:
    """Return Muon for the layers' matrices and AdamW for all else, with one rate for both."""
    trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
    matrices = [p for name, p in trained.items() if p.dim() == 2 and ".layers." in name]
    others = [p for name, p in trained.items() if p.dim() != 2 or ".layers." not in name]
    others += word_head.parameters()
    rate, decay = settings.learning_rate, settings.weight_decay
    return [
        # The scale of its steps is fitted to AdamW's, so that the rate means the same in both.
        torch.optim.Muon(matrices, lr=rate, weight_decay=decay, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(others, lr=rate, weight_decay=decay, betas=(0.9, 0.98)),
    ]


class BaseTrainer:
    """Trains the compact model on a corpus, with restartable checkpoints.

    Args:
        corpus: the general utterances.
        encode: text and language -> full token ids.
        vocabulary: the compact vocabulary.
        settings: steps, rates, seed.
    """

    def __init__(
        self,
        corpus: BaseCorpus,
        encode: Encode,
        vocabulary: CompactVocabulary,
        settings: BaseTraining,
    ) -> None:
        torch.manual_seed(settings.seed)
        self.corpus, self.encode, self.vocabulary = corpus, encode, vocabulary
        self.settings = settings
        self.model = FlexibleWhisper(base_config(vocabulary.size))
        initialise(self.model)
        # Only trains the encoder, and is not kept. The unused row's id serves as CTC's blank.
        self.word_head = torch.nn.Linear(self.model.config.d_model, vocabulary.used + 1)
        self.attended: dict[int, torch.Tensor] = {}
        self._watch_attention()
        self.offset = vocabulary.logit_offset()
        self.log_mel = new_log_mel()
        self.optimizers = new_optimizers(self.model, self.word_head, settings)
        self.step = 0

    def loss(self, batch: Batch) -> torch.Tensor:
        """Return the loss in nats a token of a batch: float32 scalar.

        Cross-entropy of the decoder, plus weighted CTC of the encoder (Watanabe et al. 2017,
        "Hybrid CTC/attention architecture for end-to-end speech recognition"), plus the guidance
        of some attention heads, which thereby can tell a word's time.
        """
        self.attended.clear()
        out = self.model.model(input_features=batch.features, decoder_input_ids=batch.inputs)
        logits = self.model.proj_out(out.last_hidden_state) + self.offset
        decoder_loss = cross_entropy(
            logits.flatten(0, 1), batch.labels.flatten(), ignore_index=IGNORED
        )
        encoder_loss = self._ctc(out.encoder_last_hidden_state, batch.labels)
        settings = self.settings
        guide = settings.guide_weight * self._guide(batch.spans)
        return decoder_loss + settings.ctc_weight * encoder_loss + guide

    def _guide(self, spans: torch.Tensor) -> torch.Tensor:
        """Return how little the guided heads look where they should.

        Mean of -log(share of the attention that falls on the token's span, widened by 60 ms).
        """
        # What is said at one position is read at the next.
        read = torch.cat([torch.full_like(spans[:, :1], -1.0), spans[:, :-1]], dim=1)
        aims = [(ALIGNMENT_HEADS, spans), (READING_HEADS, read)]
        losses = [
            self._missed(self.attended[layer][:, head], aim)
            for heads, aim in aims
            for layer, head in heads
        ]
        return torch.stack(losses).mean()

    @staticmethod
    def _missed(weights: torch.Tensor, spans: torch.Tensor) -> torch.Tensor:
        known = spans[..., 0] >= 0
        if not known.any():
            return spans.new_zeros(())
        times = torch.arange(weights.shape[-1]) * 0.02
        inside = (times >= spans[..., :1] - 0.06) & (times <= spans[..., 1:] + 0.06)
        return -((weights * inside).sum(-1)[known] + 1e-4).log().mean()

    def _watch_attention(self) -> None:
        """Keep each decoder layer's attention to the sound, float32 `(B, heads, T, F / 2)`."""
        # Only the plain implementation hands its weights out.
        self.model.set_attn_implementation("eager")
        for number, layer in enumerate(self.model.model.decoder.layers):

            def keep(module: Any, args: Any, output: Any, number: int = number) -> None:
                self.attended[number] = output[1]

            layer.encoder_attn.register_forward_hook(keep)

    def _ctc(self, encoded: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        blank = self.vocabulary.used
        texts = [row[(row >= 0) & (row < blank)] for row in labels]
        lengths = torch.tensor([len(text) for text in texts])
        log_probs = self.word_head(encoded).log_softmax(-1).transpose(0, 1)
        frames = torch.full((len(texts),), len(log_probs))
        # A short text in few frames may have no path at all; such rows count nothing.
        total = ctc_loss(
            log_probs, torch.cat(texts), frames, lengths, blank, "sum", zero_infinity=True
        )
        return total / max(1, int(lengths.sum()))

    def run(self, folder: Path, report: Callable[[str], None]) -> None:
        """Train to the last step; a checkpoint in `folder` is taken up.

        Args:
            folder: gets `training.pt`, this program's own file of weights and optimizer.
            report: takes one line of progress at a time.
        """
        self._resume(folder)
        settings, began, losses = self.settings, time.monotonic(), []
        batches = ExampleMaker(self.corpus, self.encode, settings).batches()
        self.model.train()
        # A resumed run makes the earlier batches again, so that it ends as an unbroken one would.
        for examples in islice(batches, self.step, None):
            losses.append(self._update(examples))
            self.step += 1
            if self.step % 50 == 0:
                mean = sum(losses) / len(losses)
                seconds = time.monotonic() - began
                report(f"step {self.step}/{settings.steps} loss {mean:.3f} {seconds:.0f} s")
                losses = []
            if self.step % settings.save_every == 0 or self.step == settings.steps:
                self._checkpoint(folder)
                report(f"step {self.step} held out: {self.error_summary()}")

    def _update(self, examples: list) -> float:
        batch = collate(examples, self.log_mel, self.vocabulary.compact_id)
        share = learning_rate_share(self.step, self.settings)
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = self.settings.learning_rate * share
        loss = self.loss(batch)
        for optimizer in self.optimizers:
            optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.settings.clip_norm)
        for optimizer in self.optimizers:
            optimizer.step()
        return float(loss.detach())

    def _checkpoint(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        state = {
            "step": self.step,
            "model": self.model.state_dict(),
            "word_head": self.word_head.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
        }
        torch.save(state, folder / "training.pt.part")
        (folder / "training.pt.part").replace(folder / "training.pt")

    def _resume(self, folder: Path) -> None:
        if (folder / "training.pt").exists():
            state = torch.load(folder / "training.pt", weights_only=True)
            self.model.load_state_dict(state["model"])
            self.word_head.load_state_dict(state["word_head"])
            for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
                optimizer.load_state_dict(saved)
            self.step = state["step"]

    @torch.no_grad()
    def transcribe(
        self, audios: Sequence[np.ndarray], language: str, window_seconds: float | None = None
    ) -> list[list[int]]:
        """Transcribe clips greedily in one batch.

        Args:
            audios: float32 `(num_samples,)` each.
            language: of all clips.
            window_seconds: the window; None for the longest clip's.

        Returns:
            Full text ids of each clip.
        """
        self.model.eval()
        longest = max(len(audio) for audio in audios)
        frames = window_frames(longest) if window_seconds is None else round(window_seconds * 100)
        encoded = self.model.model.encoder(self.log_mel(pad_samples(audios, frames)))
        compact = self.vocabulary.compact_id
        prompt = [START, language_id(language), TRANSCRIBE, NO_TIMESTAMPS]
        tokens = torch.tensor([[compact(token) for token in prompt]] * len(audios))
        end, cache = compact(END_OF_TEXT), EncoderDecoderCache(DynamicCache(), DynamicCache())
        latest = tokens
        while tokens.shape[1] < 64 and not bool((tokens == end).any(dim=1).all()):
            hidden = self.model.decoder_states(latest, encoded.last_hidden_state, cache)
            logits = self.model.proj_out(hidden[:, -1]) + self.offset
            latest = logits.argmax(-1, keepdim=True)
            tokens = torch.cat([tokens, latest], dim=1)
        self.model.train()
        return [self._text_ids(row[len(prompt) :].tolist()) for row in tokens]

    def _text_ids(self, compact_ids: list[int]) -> list[int]:
        end = self.vocabulary.compact_id(END_OF_TEXT)
        if end in compact_ids:
            compact_ids = compact_ids[: compact_ids.index(end)]
        return [self.vocabulary.full_id(token) for token in compact_ids if token < end]

    def token_errors(self, language: str, most: int = 64, window: float | None = None) -> float:
        """Return the token error rate on held-out general clips of a language."""
        clips = [clip for clip in self.corpus.held_out if clip.language == language]
        clips = sorted(
            random.Random(0).sample(clips, min(most, len(clips))), key=lambda c: c.length
        )
        errors = total = 0
        for start in range(0, len(clips), 16):
            group = clips[start : start + 16]
            hypotheses = self.transcribe(
                [self.corpus.sentences.audio(c) for c in group], language, window
            )
            for clip, ids in zip(group, hypotheses, strict=True):
                reference = self.encode(clip.text, language)
                errors += edit_distance(reference, ids)
                total += len(reference)
        return errors / total

    def error_summary(self) -> str:
        """Return one line with the held-out token errors of both languages."""
        return " ".join(
            f"{language} {100 * self.token_errors(language):.1f} %" for language in ("zh", "en")
        )


def edit_distance(reference: Sequence[int], hypothesis: Sequence[int]) -> int:
    """Return the number of substitutions, deletions and insertions between two sequences."""
    row = list(range(len(hypothesis) + 1))
    for i, wanted in enumerate(reference, 1):
        corner, row[0] = row[0], i
        for j, token in enumerate(hypothesis, 1):
            corner, row[j] = (
                row[j],
                min(corner + (wanted != token), row[j] + 1, row[j - 1] + 1),
            )
    return row[-1]
