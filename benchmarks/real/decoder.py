"""A new decoder on a frozen encoder: its shape, its first weights, and its training.

B batch, T tokens, P encoder positions (20 ms each), D model width, V compact vocabulary.
"""

from __future__ import annotations

import math
import random
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.nn.functional import cross_entropy
from transformers import WhisperConfig

from benchmarks.real.states import Encoded
from benchmarks.real.vocabulary import UsedVocabulary
from demo.make.base_model import edit_distance
from utils.data.labels import IGNORED, LabelEncoder
from utils.model.audio_context.encoder import FlexibleWhisper
from utils.model.precision import cpu_computes_bf16
from utils.transcription.engines.greedy import GreedyDecoder

GUIDED_LAYERS = (1, 2)
GUIDED_HEADS = (0, 1, 2, 3)
ALIGNMENT_HEADS = [[layer, head] for layer in GUIDED_LAYERS for head in GUIDED_HEADS]
_GUIDE_WIDTH = 0.12  # of the speech: how far from the diagonal attention costs little
_MOST_TOKENS = 96


@dataclass(frozen=True)
class DecoderTraining:
    """Settings of the decoder's training; the defaults made the model in docs/results.md."""

    steps: int = 1200
    batch_size: int = 32
    learning_rate: float = 1e-3
    warmup_steps: int = 60
    guided_steps: int = 500  # over which the help for the attention fades
    corrupted: float = 0.12  # of the text tokens that the decoder reads: it shall listen
    state_noise: float = 0.4  # the states' own deviation is 1.5
    silenced: float = 0.15  # of the positions
    dropout: float = 0.1
    weight_decay: float = 0.02
    clip_norm: float = 1.0
    save_every: int = 200
    seed: int = 1


@dataclass(frozen=True)
class Example:
    """A clip with its tokens, compact ids."""

    clip: Encoded
    inputs: list[int]
    labels: list[int]


def decoder_config(
    encoder: WhisperConfig, vocabulary_size: int, start: int, end: int
) -> WhisperConfig:
    """Return the encoder's shape with a decoder of 3 layers.

    Args:
        encoder: config of the model that gives the encoder.
        vocabulary_size: rows of the embedding.
        start: id of the start token in that vocabulary.
        end: id of end-of-text.
    """
    changed = {
        **encoder.to_dict(),
        "decoder_layers": 3,
        "decoder_ffn_dim": 1024,
        "dropout": 0.0,
        "vocab_size": vocabulary_size,
        "pad_token_id": end,
        "bos_token_id": end,
        "eos_token_id": end,
        "decoder_start_token_id": start,
    }
    changed.pop("forced_decoder_ids", None)  # an old form of the prompt
    return WhisperConfig.from_dict(changed)


@torch.no_grad()
def initialise(model: FlexibleWhisper) -> None:
    """Draw decoder weights that keep the scale of a signal from layer to layer, in place."""
    decoder = model.model.decoder
    branches = 3 * model.config.decoder_layers
    for name, module in decoder.named_modules():
        if isinstance(module, torch.nn.Linear):
            # The ends of residual branches are smaller, for their sum is what counts.
            ends = name.endswith(("out_proj", "fc2")) and "encoder_attn" not in name
            module.weight.normal_(0, (module.in_features * (branches if ends else 1)) ** -0.5)
    decoder.embed_tokens.weight.normal_(0, 0.05)
    decoder.embed_positions.weight.normal_(0, 0.05)


class DecoderTrainer:
    """Trains the decoder on stored encoder states, with restartable checkpoints.

    Args:
        model: its encoder stays as it is; its decoder has the compact vocabulary.
        clips: stored states with their texts.
        encoder: text to labels.
        vocabulary: full ids to compact ones.
        settings: steps, rates, seed.
    """

    def __init__(
        self,
        model: FlexibleWhisper,
        clips: Sequence[Encoded],
        encoder: LabelEncoder,
        vocabulary: UsedVocabulary,
        settings: DecoderTraining,
    ) -> None:
        self.model, self.encoder, self.vocabulary = model, encoder, vocabulary
        self.settings = settings
        self.offset = vocabulary.logit_offset()
        examples = [self._example(clip) for clip in clips]
        # The clips lie in order of their length.
        random.Random(settings.seed).shuffle(examples)
        held_out = max(1, min(160, len(examples) // 10))
        self.held_out, self.train = examples[:held_out], examples[held_out:]
        decoder = [p for p in model.model.decoder.parameters() if p.requires_grad]
        self.trained = decoder
        groups: list[dict[str, Any]] = [
            {"params": [p for p in decoder if p.dim() > 1]},
            {"params": [p for p in decoder if p.dim() <= 1], "weight_decay": 0.0},
        ]
        self.optimizer = torch.optim.AdamW(
            groups,
            lr=settings.learning_rate,
            betas=(0.9, 0.98),
            weight_decay=settings.weight_decay,
            fused=True,
        )
        self.step = 0

    def _example(self, clip: Encoded) -> Example:
        compact = self.vocabulary.compact_id
        prompt = self.encoder.prompt(clip.language)
        text = self.encoder.text_ids(clip.text, clip.language)
        labels = [IGNORED] * (len(prompt) - 1) + [compact(t) for t in [*text, self.encoder.end]]
        return Example(clip, [compact(t) for t in prompt + text], labels)

    def run(self, folder: Path, report: Callable[[str], None]) -> None:
        """Train to the last step; a checkpoint in `folder` is taken up.

        Args:
            folder: gets `decoder.pt`, this program's own file of weights and optimizer.
            report: takes one line of progress at a time.
        """
        self._resume(folder)
        torch.manual_seed(self.settings.seed + self.step)
        rng = random.Random(self.settings.seed + self.step)
        began, losses = time.monotonic(), []
        self.model.model.decoder.train()
        pool: list[list[Example]] = []
        while self.step < self.settings.steps:
            pool = pool or self._batches(rng)
            losses.append(self._update(pool.pop(), rng))
            self.step += 1
            if self.step % 25 == 0:
                text, guide = (sum(column) / len(losses) for column in zip(*losses, strict=True))
                report(
                    f"step {self.step}/{self.settings.steps} loss {text:.3f} "
                    f"off the diagonal {guide:.3f} {time.monotonic() - began:.0f} s"
                )
                losses = []
            if self.step % self.settings.save_every == 0 or self.step == self.settings.steps:
                self._checkpoint(folder)
                report(f"step {self.step} held out: {self.error_summary()}")

    def _batches(self, rng: random.Random) -> list[list[Example]]:
        """Return all clips in batches of one window length each, in random order."""
        windows: dict[int, list[Example]] = defaultdict(list)
        for example in self.train:
            windows[len(example.clip.states)].append(example)
        batches, rest = [], []
        size = self.settings.batch_size
        for length in sorted(windows):
            group = windows[length]
            rng.shuffle(group)
            full = len(group) // size * size
            batches += [group[at : at + size] for at in range(0, full, size)]
            rest.append(group[full:])
        # What is left of a length is a small batch of its own.
        batches += [group for group in rest if len(group) >= size // 4]
        rng.shuffle(batches)
        return batches

    def _rate(self) -> float:
        settings = self.settings
        if self.step < settings.warmup_steps:
            return settings.learning_rate * (self.step + 1) / settings.warmup_steps
        done = (self.step - settings.warmup_steps) / (settings.steps - settings.warmup_steps)
        return settings.learning_rate * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * done)))

    def _update(self, examples: list[Example], rng: random.Random) -> tuple[float, float]:
        for group in self.optimizer.param_groups:
            group["lr"] = self._rate()
        inputs, labels = self._collate(examples, rng)
        states = self._disturbed(torch.stack([example.clip.states for example in examples]).float())
        guided = max(0.0, 1.0 - self.step / self.settings.guided_steps)
        with torch.autocast("cpu", torch.bfloat16, enabled=cpu_computes_bf16()):
            out = self.model.model.decoder(
                input_ids=inputs,
                encoder_hidden_states=states,
                use_cache=False,
                output_attentions=guided > 0,
            )
            logits = self.model.proj_out(out.last_hidden_state)
        logits = logits.float() + self.offset
        text = cross_entropy(logits.flatten(0, 1), labels.flatten(), ignore_index=IGNORED)
        guide = torch.zeros(())
        if guided > 0:
            guide = self._off_diagonal(out.cross_attentions, examples)
        self.optimizer.zero_grad(set_to_none=True)
        (text + 2.0 * guided * guide).backward()
        torch.nn.utils.clip_grad_norm_(self.trained, self.settings.clip_norm)
        self.optimizer.step()
        return float(text.detach()), float(guide.detach())

    def _disturbed(self, states: torch.Tensor) -> torch.Tensor:
        """Return states float32 `(B, P, D)` with noise, and a part of the positions silent.

        A few thousand clips are soon known by heart; disturbed, none of them comes twice.
        """
        states = states + self.settings.state_noise * torch.randn_like(states)
        kept = torch.rand(states.shape[:2]) >= self.settings.silenced
        return states * kept[..., None]

    def _collate(
        self, examples: list[Example], rng: random.Random
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return decoder input and labels, int64 `(B, T)`; masked by length."""
        longest = max(len(example.inputs) for example in examples)
        inputs = torch.full((len(examples), longest), self.model.config.pad_token_id)
        labels = torch.full((len(examples), longest), IGNORED)
        for row, example in enumerate(examples):
            read = list(example.inputs)
            prompt = example.labels.count(IGNORED) + 1
            for place in range(prompt, len(read)):
                if rng.random() < self.settings.corrupted:
                    read[place] = rng.randrange(self.vocabulary.size - 1)
            inputs[row, : len(read)] = torch.tensor(read)
            labels[row, : len(example.labels)] = torch.tensor(example.labels)
        return inputs, labels

    def _off_diagonal(
        self, attentions: Sequence[torch.Tensor], examples: list[Example]
    ) -> torch.Tensor:
        """Return how much attention of the guided heads lies far from even speech: 0 to 1.

        Read speech runs through its text at a nearly even pace, so the i-th of n tokens is spoken
        around the place (i + 1/2) / n of the speech (Tachibana et al., arXiv 1710.08969). Told so
        for a while, the decoder finds within minutes where to listen.

        Args:
            attentions: a layer each, float `(B, heads, T, P)`.
            examples: of the batch.
        """
        _, _, tokens, positions = attentions[0].shape
        cost = torch.zeros(len(examples), tokens, positions)
        place = torch.arange(positions)
        for row, example in enumerate(examples):
            first = example.labels.count(IGNORED)
            count = len(example.labels) - first - 1
            span = example.clip.end - example.clip.begin
            middle = (torch.arange(count + 1) + 0.5) / max(count, 1)
            centres = example.clip.begin + span * middle.clamp(max=1.0)
            far = (place - centres[:, None]) / (_GUIDE_WIDTH * span + 5)
            cost[row, first : first + count + 1] = 1 - torch.exp(-far.square() / 2)
        said = sum(len(example.labels) - example.labels.count(IGNORED) for example in examples)
        guided = [attentions[layer][:, list(GUIDED_HEADS)].float() for layer in GUIDED_LAYERS]
        return torch.stack([(a * cost[:, None]).sum() for a in guided]).sum() / (
            said * len(GUIDED_HEADS) * len(GUIDED_LAYERS)
        )

    @torch.no_grad()
    def error_summary(self) -> str:
        """Return the held-out token error of each kind of clip, on one line."""
        self.model.eval()
        greedy = GreedyDecoder(self.model, self.vocabulary.compact_id(self.encoder.end))
        greedy.never = greedy.first = self.offset
        counts: dict[str, list[int]] = defaultdict(lambda: [0, 0])
        windows: dict[tuple[int, str], list[Example]] = defaultdict(list)
        for example in self.held_out:
            windows[len(example.clip.states), example.clip.language].append(example)
        for group in windows.values():
            states = torch.stack([example.clip.states for example in group]).float()
            prompt = len(self.encoder.prompt(group[0].clip.language))
            prompts = torch.tensor([example.inputs[:prompt] for example in group])
            for example, said in zip(
                group, greedy.decode(states, prompts, _MOST_TOKENS), strict=True
            ):
                reference = example.inputs[prompt:]
                count = counts[f"{example.clip.language} {example.clip.kind}"]
                count[0] += edit_distance(reference, said)
                count[1] += len(reference)
        self.model.model.decoder.train()
        rates = [f"{kind} {100 * e / max(1, n):.0f} %" for kind, (e, n) in sorted(counts.items())]
        return ", ".join(rates)

    def _checkpoint(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        state = {
            "step": self.step,
            "decoder": self.model.model.decoder.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }
        torch.save(state, folder / "decoder.pt.part")
        (folder / "decoder.pt.part").replace(folder / "decoder.pt")

    def _resume(self, folder: Path) -> None:
        if (folder / "decoder.pt").exists():
            state = torch.load(folder / "decoder.pt", weights_only=True)
            self.model.model.decoder.load_state_dict(state["decoder"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.step = state["step"]
