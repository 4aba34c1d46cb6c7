"""The engine for models in the form of Hugging Face: whole models, and adapters unmerged.

B batch, T tokens, P encoder positions, D width, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
import transformers
from transformers import GenerationConfig, LogitsProcessor
from transformers.generation.logits_process import WhisperTimeStampLogitsProcessor
from transformers.modeling_outputs import BaseModelOutput

from utils.data.labels import NO_SPEECH, LabelEncoder
from utils.model.distributed import device_of_this_process
from utils.model.integrity import expect_finite_logits
from utils.model.load import load_model
from utils.model.loaded import LoadedModel
from utils.transcription.added_tokens import AddedTokensAside
from utils.transcription.engines.greedy import GreedyDecoder, likeliest, whisper_cache
from utils.transcription.engines.registry import (
    DEFAULT_COMPUTE,
    ROW_BY_ROW_FRAMES,
    Alignment,
    Compute,
    DecodingResult,
    Search,
)
from utils.transcription.engines.sampling import Sampler
from utils.transcription.words import align_row


def open_engine(
    path: str, local_files_only: bool = False, compute: Compute = DEFAULT_COMPUTE
) -> TransformersEngine:
    """Load a model or an adapter on its base, on this process's device or another."""
    loaded = load_model(path, local_files_only=local_files_only, use_8bit=compute.int8)
    return placed(loaded, compute)


def placed(loaded: LoadedModel, compute: Compute) -> TransformersEngine:
    """The engine over a loaded model, which is moved to where it is to compute."""
    device = torch.device(compute.device) if compute.device else device_of_this_process()
    loaded.model.to(device)
    if compute.fp16 and not compute.int8:
        loaded.model.half()
    return TransformersEngine(loaded)


@dataclass(frozen=True)
class EncoderStates:
    """What the encoder made of a batch.

    Attributes:
        hidden: float `(B, P, D)`.
        merge_stride: that it was computed with; attention to it needs to know.
    """

    hidden: torch.Tensor
    merge_stride: int = 0


class TransformersEngine:
    """An `Engine` over a loaded model, which is used where and in the mode it is in.

    Args:
        loaded: the model.
    """

    thins = True

    def __init__(self, loaded: LoadedModel) -> None:
        self.loaded = loaded
        self.whisper = loaded.whisper
        self.path = loaded.path
        self.multilingual = loaded.multilingual
        self.trained_context = loaded.audio_context
        self.context_margin = loaded.context_margin
        self.log_mel = loaded.log_mel
        config, known = self.whisper.config, self.whisper.generation_config
        self.known = known
        self.num_mel_bins = config.num_mel_bins
        self.max_positions = config.max_target_positions
        self.max_length = known.max_length or config.max_target_positions
        self.tokens = loaded.label_encoder()
        self.greedy = self._greedy(None)

    def _greedy(self, suppressed: Sequence[int] | None) -> GreedyDecoder:
        """A decoder that never generates these ids; None: those of the model's settings."""
        never = self.known.suppress_tokens if suppressed is None else suppressed
        first = self.known.begin_suppress_tokens
        return GreedyDecoder(
            self.whisper, self.tokens.end, never or (), first or (), self.new_cache
        )

    def new_cache(self) -> Any:
        """An empty cache for the decoder."""
        return whisper_cache()

    def label_encoder(self, language: str | None, task: str) -> LabelEncoder:
        """See `Engine`."""
        return self.loaded.label_encoder(language=language, task=task)

    @torch.no_grad()
    def encode(self, features: torch.Tensor, merge_stride: int = 0) -> EncoderStates:
        """See `Engine`."""
        encoder, device = self.whisper.model.encoder, self.whisper.device
        features = features.to(device, encoder.conv1.weight.dtype)
        one_by_one = device.type == "cpu" and features.shape[-1] >= ROW_BY_ROW_FRAMES
        parts = features.split(1) if one_by_one else (features,)
        found = [encoder(part, merge_stride=merge_stride).last_hidden_state for part in parts]
        return EncoderStates(torch.cat(found), merge_stride)

    def select(self, states: EncoderStates, rows: Sequence[int]) -> EncoderStates:
        """See `Engine`."""
        return replace(states, hidden=states.hidden[list(rows)])

    def detect_languages(self, states: EncoderStates) -> list[str]:
        """See `Engine`."""
        ids = self.known.lang_to_id
        best = self._first_logits(states)[:, list(ids.values())].argmax(-1).tolist()
        names = list(ids)
        return [names[place].strip("<|>") for place in best]

    @torch.no_grad()
    def _first_logits(self, states: EncoderStates) -> torch.Tensor:
        """Logits `(B, V)` of what follows the start token."""
        hidden = states.hidden
        start = torch.full((len(hidden), 1), self.tokens.start, device=hidden.device)
        found = self.whisper.decoder_states(start, hidden, merge_stride=states.merge_stride)
        logits: torch.Tensor = self.whisper.proj_out(found[:, -1])
        return logits.float()

    def generate(
        self, states: EncoderStates, prompts: torch.Tensor, search: Search
    ) -> list[DecodingResult]:
        """See `Engine`."""
        prompts = prompts.to(states.hidden.device)
        rule = self._timestamp_rule(prompts.shape[1]) if search.timestamps else None
        if search.temperature == 0 and search.num_beams > 1:
            answers = self._beam_search(states, prompts, search, rule)
        else:
            answers = self._choose(states, prompts, search, rule)
        return [
            DecodingResult(tuple(ids), mean, no_speech, search.temperature)
            for ids, mean, no_speech in answers
        ]

    def _choose(
        self, states: EncoderStates, prompts: torch.Tensor, search: Search, rule: Any
    ) -> list[tuple[list[int], float, float]]:
        """Ids, mean log-probability and that of no speech, greedily or of the best sample."""
        greedy = self.greedy if search.suppressed is None else self._greedy(search.suppressed)
        sampling = search.temperature > 0
        attempts = search.best_of if sampling else 1
        found = greedy.search(
            states.hidden.repeat_interleave(attempts, 0),
            prompts.repeat_interleave(attempts, 0),
            search.max_new_tokens,
            rule,
            Sampler(search, len(prompts) * attempts) if sampling else likeliest,
            scored=search.confidence or attempts > 1,
            watched=self._no_speech_at(prompts) if search.confidence else None,
            merge_stride=states.merge_stride,
            stop_loops=search.stop_loops,
        )
        means = [(ids, total / (len(ids) + 1), silent) for ids, total, silent in found]
        return [
            max(means[row : row + attempts], key=lambda each: each[1])
            for row in range(0, len(means), attempts)
        ]

    @torch.no_grad()
    def align(
        self,
        states: EncoderStates,
        prompt: Sequence[int],
        texts: Sequence[Sequence[int]],
        frames: int,
    ) -> list[Alignment]:
        """See `Engine`: dynamic time warping over the alignment heads' attention."""
        return [
            align_row(
                self.whisper,
                states.hidden[row : row + 1],
                [*prompt, self.tokens.no_timestamps],
                list(ids),
                self.tokens.end,
                frames,
                states.merge_stride,
            )
            for row, ids in enumerate(texts)
        ]

    @property
    def _no_speech_token(self) -> int | None:
        special = self.tokens.special_ids
        return next((special[name] for name in NO_SPEECH if name in special), None)

    def _no_speech_at(self, prompts: torch.Tensor) -> tuple[int, int] | None:
        """Where the start token stands in prompts, and the token for no speech."""
        token = self._no_speech_token
        return None if token is None else (prompts[0].tolist().index(self.tokens.start), token)

    def _timestamp_rule(self, begin: int) -> LogitsProcessor:
        """Whisper's rules for timestamps: in pairs, never backwards, likely ones first."""
        first_added = self.tokens.last_timestamp + 1
        added = max(0, self.whisper.config.vocab_size - first_added)
        end = self.tokens.end
        config = GenerationConfig(eos_token_id=end + added, bos_token_id=end + added)
        config.no_timestamps_token_id = self.tokens.no_timestamps + added
        latest = getattr(self.known, "max_initial_timestamp_index", None)
        config.max_initial_timestamp_index = latest
        rule = WhisperTimeStampLogitsProcessor(config, begin_index=begin)
        return AddedTokensAside(rule, end, first_added) if added else rule

    def _beam_search(
        self, states: EncoderStates, prompts: torch.Tensor, search: Search, rule: Any
    ) -> list[tuple[list[int], float, float]]:
        """Ids, mean log-probability and that of no speech, through the library's beam search."""
        known = self.known
        never = known.suppress_tokens if search.suppressed is None else search.suppressed
        end = self.tokens.end
        config = GenerationConfig(
            max_new_tokens=search.max_new_tokens,
            num_beams=search.num_beams,
            do_sample=False,
            eos_token_id=end,
            pad_token_id=end,
            decoder_start_token_id=self.tokens.start,
            suppress_tokens=list(never) if never else None,
            length_penalty=1.0 if search.length_penalty is None else search.length_penalty,
            begin_suppress_tokens=known.begin_suppress_tokens or None,
            return_dict_in_generate=True,
            output_scores=search.confidence,
        )
        found = self.whisper.generate_window(
            None,
            encoder_outputs=BaseModelOutput(last_hidden_state=states.hidden),
            decoder_input_ids=prompts,
            # Pad and end-of-text are one token, so the library cannot tell which it sees.
            decoder_attention_mask=torch.ones_like(prompts),
            generation_config=config,
            logits_processor=[_FiniteOnly(), *([rule] if rule is not None else [])],
            **({"merge_stride": states.merge_stride} if states.merge_stride else {}),
        )
        rows = found.sequences[:, prompts.shape[1] :].tolist()
        answers = [row[: row.index(end)] if end in row else row for row in rows]
        means = found.sequences_scores.tolist() if search.confidence else [0.0] * len(rows)
        token, silent = self._no_speech_token, [0.0] * len(rows)
        if search.confidence and token is not None:
            silent = self._first_logits(states).softmax(-1)[:, token].tolist()
        return list(zip(answers, means, silent, strict=True))

    def synchronize(self) -> None:
        """See `Engine`."""
        if self.whisper.device.type == "cuda":
            torch.cuda.synchronize(self.whisper.device)
        elif self.whisper.device.type == "mps":
            torch.mps.synchronize()

    def describe(self) -> dict[str, Any]:
        """See `Engine`."""
        dtype = str(self.whisper.dtype).removeprefix("torch.")
        return {"engine": f"transformers {transformers.__version__}", "precision": dtype}


class _FiniteOnly(LogitsProcessor):
    """Refuses what is no number in the library's beam search."""

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        expect_finite_logits(scores)
        return scores
