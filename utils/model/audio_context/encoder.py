"""A Whisper whose encoder takes any even number of frames, not only 30 s.

Whisper pads every clip to 3000 frames. The encoder itself has no need of that: its positions are
a fixed table, and the rows of the first frames serve a shorter window as they are. Only a length
check and the table's full-length lookup stand in the way; the encoder here replaces those two
lines, so weights, names and files are those of the stock model. What is missing to 30 s is left out
(a variable-length audio context), or thinned (`token_merging.py`) where the caller gives a
`merge_stride`. The model can also answer with its loss in place of its logits (`loss_labels`),
which saves their memory.

B batch, F mel frames (10 ms each), P encoder positions (F / 2, 20 ms each), D model width.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers.cache_utils import EncoderDecoderCache
from transformers.generation import GenerationMixin
from transformers.modeling_outputs import BaseModelOutput, ModelOutput
from transformers.models.whisper.configuration_whisper import WhisperConfig
from transformers.models.whisper.modeling_whisper import (
    WhisperDecoder,
    WhisperEncoder,
    WhisperForConditionalGeneration,
    WhisperModel,
    WhisperPreTrainedModel,
    sinusoids,
)

from utils.data.labels import IGNORED
from utils.model.activations import is_frozen
from utils.model.audio_context.token_merging import (
    merge_silence,
    merged_length,
    weigh_keys,
)
from utils.model.token_loss import VocabularyProjection, token_loss_from_hidden

CACHE = (
    "cache"
    if "cache" in inspect.signature(WhisperDecoder.forward).parameters
    else ("past_key_values")
)
"""The decoder's name for its keys and values so far: transformers 5.24 renamed it."""


class FlexibleWhisperEncoder(WhisperEncoder):
    """The stock encoder for windows of any even number of frames up to the model's maximum."""

    def forward(
        self,
        input_features: torch.Tensor,
        attention_mask: Any = None,
        *args: Any,
        merge_stride: int = 0,
        **kwargs: Any,
    ) -> BaseModelOutput:
        """Encode a batch of log-mel windows.

        Args:
            input_features: float `(B, n_mels, F)`, F even and at most 2 * max_source_positions.
            attention_mask: ignored, as in the stock encoder.
            *args: ignored, as `kwargs`.
            merge_stride: 0 leaves out what is missing to 30 s; above it, that is silence, of which
                one position in so many is computed.
            **kwargs: ignored flags of the stock signature (hidden states are not recorded).

        Returns:
            `last_hidden_state` float `(B, F / 2, D)`; with a tail, `merged_length` positions.

        Raises:
            ValueError: if F is odd, zero or longer than the model's positions.
        """
        # Where nothing is trained nothing need be remembered, whatever its input asks for.
        with torch.set_grad_enabled(torch.is_grad_enabled() and not is_frozen(self)):
            return self._encode(input_features, merge_stride)

    def _encode(self, input_features: torch.Tensor, merge_stride: int) -> BaseModelOutput:
        frames = input_features.shape[-1]
        most = 2 * self.config.max_source_positions
        if frames % 2 or not 0 < frames <= most:
            raise ValueError(
                f"the encoder was given {frames} frames; it takes an even number from 2 to {most}"
            )
        hidden = nn.functional.gelu(self.conv1(input_features))
        hidden = nn.functional.gelu(self.conv2(hidden)).permute(0, 2, 1)
        bias = None
        if merge_stride:
            hidden, bias = merge_silence(hidden, self.embed_positions.weight, merge_stride)
        else:
            hidden = hidden + self.embed_positions.weight[: frames // 2]
        hidden = nn.functional.dropout(hidden, p=self.dropout, training=self.training)
        for layer in self.layers:
            if self.training and self.layerdrop > 0 and torch.rand([]) < self.layerdrop:
                continue
            hidden = layer(hidden, bias)
        return BaseModelOutput(last_hidden_state=self.layer_norm(hidden))


class FlexibleWhisperModel(WhisperModel):
    """WhisperModel with the flexible encoder; same parameter names."""

    def __init__(self, config: WhisperConfig) -> None:
        WhisperPreTrainedModel.__init__(self, config)
        self.encoder = FlexibleWhisperEncoder(config)
        self.decoder = WhisperDecoder(config)
        for layer in self.decoder.layers:
            layer.encoder_attn.register_forward_pre_hook(weigh_keys, with_kwargs=True)
        self.post_init()


@dataclass
class TokenLossOutput(ModelOutput):
    """What the model answers when it is given `loss_labels`.

    Attributes:
        token_loss_sum: float32 scalar, nats, summed over the tokens that count.
    """

    token_loss_sum: torch.Tensor | None = None


class FlexibleWhisper(WhisperForConditionalGeneration):
    """WhisperForConditionalGeneration for windows of any even length; saves as the stock class."""

    # The stock forward takes **kwargs, from which the Trainer wrongly concludes that the model
    # divides its loss by the tokens of the whole effective batch (transformers#47688).
    accepts_loss_kwargs = False

    def __init__(self, config: WhisperConfig) -> None:
        WhisperPreTrainedModel.__init__(self, config)
        self.model = FlexibleWhisperModel(config)
        self.proj_out = VocabularyProjection(config.d_model, config.vocab_size, bias=False)
        self.max_target_positions = config.max_target_positions
        self.post_init()
        # A model made from a config: transformers draws the positions of subclasses at random.
        positions = self.model.encoder.embed_positions.weight
        if not positions.is_meta:
            with torch.no_grad():
                positions.copy_(sinusoids(*positions.shape))

    def positions(self, frames: int, merge_stride: int = 0) -> int:
        """Positions that the encoder computes of a window of so many frames."""
        total, given = self.config.max_source_positions, frames // 2
        return merged_length(given, total, merge_stride) if merge_stride else given

    def decoder_states(
        self,
        tokens: torch.Tensor,
        states: torch.Tensor,
        cache: EncoderDecoderCache | None = None,
        merge_stride: int = 0,
    ) -> torch.Tensor:
        """The decoder's answer to the next tokens, before the projection to the vocabulary.

        Args:
            tokens: int64 `(B, T)`, what follows the tokens that are in the cache.
            states: float `(B, P, D)`, the encoder's output.
            cache: keys and values so far, which grow; None for tokens from the beginning.
            merge_stride: that the states were computed with.

        Returns:
            float `(B, T, D)`.
        """
        options: dict[str, Any] = {"merge_stride": merge_stride} if merge_stride else {}
        options[CACHE] = cache
        found: torch.Tensor = self.model.decoder(
            input_ids=tokens, encoder_hidden_states=states, use_cache=cache is not None, **options
        ).last_hidden_state
        return found

    @wraps(WhisperForConditionalGeneration.forward)
    def forward(
        self,
        *args: Any,
        loss_labels: torch.Tensor | None = None,
        label_smoothing: float = 0.0,
        loss_chunk: int = 0,
        merge_stride: int = 0,
        **kwargs: Any,
    ) -> Any:
        """The stock forward or, given `loss_labels`, the loss alone without the batch's logits.

        Args:
            *args: of the stock forward.
            loss_labels: int64 `(B, T)`, the token that each position should say; -100 for none.
            label_smoothing: share of the target probability spread over the vocabulary.
            loss_chunk: positions whose logits are held at once; 0 for all.
            merge_stride: of the windows, as of `FlexibleWhisperEncoder`.
            **kwargs: of the stock forward: `input_features (B, n_mels, F)` and so on.

        Returns:
            `TokenLossOutput` if `loss_labels` are given, else what the stock model returns.
        """
        if merge_stride:  # the library hands it down to the encoder and to every attention
            kwargs["merge_stride"] = merge_stride
        if loss_labels is None:
            return super().forward(*args, **kwargs)
        states = self.model(*args, **kwargs, use_cache=False).last_hidden_state
        if isinstance(self.proj_out, VocabularyProjection):
            loss = self.proj_out(states, loss_labels, label_smoothing, loss_chunk)
        else:  # peft has put rows that are trained in the place of some of its weight's
            options = {"smoothing": label_smoothing, "chunk": loss_chunk}
            counts = loss_labels != IGNORED
            loss = token_loss_from_hidden(
                states[counts], self.proj_out.weight, loss_labels[counts], **options
            )
        return TokenLossOutput(token_loss_sum=loss)

    def generate_window(self, input_features: torch.Tensor | None, **kwargs: Any) -> Any:
        """Generate from one window of any even length, without the padding to 30 s.

        The stock `generate` pads its input to 3000 frames; this calls the general decoder loop
        beneath it. The caller gives the prompt and the logits processors.

        Args:
            input_features: float `(B, n_mels, F)`.
            **kwargs: what `GenerationMixin.generate` takes, with `decoder_input_ids (B, T)`, and
                the `merge_stride` of the window.

        Returns:
            Token ids int64 `(B, T')` that begin with the prompt, or a dict if asked for one.
        """
        return GenerationMixin.generate(self, input_features, **kwargs)

    def save_pretrained(self, save_directory: str | Path, *args: Any, **kwargs: Any) -> None:
        """Save as a plain `WhisperForConditionalGeneration`, which every other program loads."""
        super().save_pretrained(save_directory, *args, **kwargs)
        if Path(save_directory, "config.json").is_file():
            self.config.architectures = ["WhisperForConditionalGeneration"]
            self.config.save_pretrained(save_directory)
