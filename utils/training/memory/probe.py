"""How many examples fit into memory at once, found by computing them.

A trial is a forward and a backward pass over made-up features, with the gradients held and as much
memory taken as the optimizer will take, so that nothing that a real step needs is missing. On a GPU
the trial either fits or runs out of memory; on a CPU, where running out ends in the system killing
something, a trial is only made if the ones before it say that it fits.

B examples, M mel bins, F frames, T tokens.
"""

from __future__ import annotations

import ctypes
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import torch

from utils.audio.clip import Seconds
from utils.audio.features import SAMPLE_RATE, window_frames
from utils.cli.console import process_count
from utils.cli.errors import Failure
from utils.model.precision import Precision
from utils.training.memory.out_of_memory import free_cached_memory, is_out_of_memory

GB = 10**9
CPU_SHARE = 0.7  # of the free memory: other programs breathe, and a trial is only an estimate
CUDA_SHARE = 0.92  # of the free memory: fragmentation grows over a long run
SURE = 0.5  # a prediction below this share of the budget needs no trial
_SAMPLING_SECONDS = 0.002


@dataclass(frozen=True)
class Capacity:
    """How many examples fit, by the length of their window.

    Attributes:
        examples: seconds of a window -> examples that fit, for each window that was tried.
    """

    examples: dict[Seconds, int]

    def fit(self, window: Seconds) -> int:
        """Examples that fit in windows of this length: those of the next longer one tried.

        Raises:
            ValueError: if the window is longer than any that was tried.
        """
        longer = [seconds for seconds in self.examples if seconds >= window]
        if not longer:
            raise ValueError(f"{window} s: longer than all that were tried: {list(self.examples)}")
        return self.examples[min(longer)]


def largest_that_fits(fits: Callable[[int], bool], most: int) -> int:
    """The largest number from 1 to `most` for which `fits` is true; 0 if it is not even for 1.

    Doubles until it does not fit and halves the gap from there, so nothing much larger than what
    fits is ever tried.

    Args:
        fits: true up to some number and false above it.
        most: where to stop, at least 1.
    """
    good, bad = 0, most + 1
    while good + 1 < bad:
        middle = min(max(2 * good, 1), most) if bad == most + 1 else (good + bad) // 2
        if fits(middle):
            good = middle
        else:
            bad = middle
    return good


class MemoryProbe:
    """Tries batches of one model on this process's device. Weights and random state are kept.

    Args:
        model: what will be trained, adapters attached, on the device where it will be.
        tokens: T, labels of each example.
        precision: format of the computation.
        optimizer_bytes: memory of the optimizer for each trained number.
        loss_chunk: as of `FlexibleWhisper`.
        merge_stride: of the windows, likewise.
        budget: bytes for all of training; None takes a share of what is free.
    """

    def __init__(
        self,
        model: Any,
        *,
        tokens: int,
        precision: Precision,
        optimizer_bytes: int = 8,
        loss_chunk: int = 0,
        merge_stride: int = 0,
        budget: int | None = None,
    ) -> None:
        self.model = model
        self.tokens = tokens
        self.precision = precision
        self.loss_chunk = loss_chunk
        self.merge_stride = merge_stride
        self.device = next(model.parameters()).device
        self.budget = budget if budget is not None else free_memory(self.device)
        self._trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
        # DDP holds the gradients a second time, in its buckets.
        self._ballast = self._trained * (optimizer_bytes + (4 if process_count() > 1 else 0))
        free_cached_memory()
        _trim_heap()
        self._start = held_memory(self.device)

    def capacity(self, windows: list[Seconds], most: int) -> Capacity:
        """Try each window.

        Args:
            windows: seconds.
            most: examples that are never exceeded.

        Raises:
            Failure: if a single example does not fit into the shortest window.
        """
        found = {}
        for window in sorted(windows, reverse=True):
            found[window] = self.largest_batch(window, most)
        shortest = min(found)
        if not found[shortest]:
            raise self.nothing_fits(shortest)
        return Capacity(found)

    def nothing_fits(self, window: Seconds) -> Failure:
        """What to say where not one example fits in a window of this length."""
        return Failure(
            f"not even one utterance of {window:.1f} s fits into {self.budget / GB:.2f} GB of "
            "memory",
            "Try --gradient_checkpointing=True, --use_8bit=True or --use_4bit=True (finetune.py), "
            "--optim=adamw_8bit,\na larger --memory_budget, a smaller --max_audio_len, or a "
            "smaller model.",
        )

    def largest_batch(self, window: Seconds, most: int) -> int:
        """Examples that fit at once in windows of this length; 0 if not one does."""
        frames = window_frames(round(window * SAMPLE_RATE))
        peaks: dict[int, int] = {}
        with self._training_state():
            self._trial(1, frames)  # what only the first step takes: gradients, workspaces
            return largest_that_fits(lambda batch: self._fits(batch, frames, peaks), most)

    def _fits(self, batch: int, frames: int, peaks: dict[int, int]) -> bool:
        """Whether a batch stays within the budget; `peaks` holds the trials made so far."""
        if self.device.type == "cpu":
            expected = predicted_peak(peaks, batch)
            if expected is not None and not SURE * self.budget <= expected <= self.budget:
                return expected <= self.budget
        peak = self._trial(batch, frames)
        if peak is None:
            return False
        peaks[batch] = peak
        return peak <= self.budget

    def _trial(self, batch: int, frames: int) -> int | None:
        """Bytes that a step takes at most, over what was held before; None if it ran out."""
        free_cached_memory()
        _trim_heap()
        try:
            with peak_memory(self.device) as peak:
                self._step(batch, frames)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            return None
        # What the process held before may be used again: a small step then seems to take nothing.
        return max(peak[0] - self._start, self._ballast + 4 * self._trained)

    def _step(self, batch: int, frames: int) -> None:
        config = self.model.config
        features = torch.zeros(batch, config.num_mel_bins, frames, device=self.device)
        ids = torch.zeros(batch, self.tokens, dtype=torch.long, device=self.device)
        half = torch.float16 if self.precision.fp16 else torch.bfloat16
        low = self.precision.fp16 or self.precision.bf16
        with torch.autocast(self.device.type, dtype=half, enabled=low):
            loss = self.model(
                input_features=features,
                decoder_input_ids=ids,
                loss_labels=ids,
                loss_chunk=self.loss_chunk,
                merge_stride=self.merge_stride,
            ).token_loss_sum
        loss.backward()

    @contextmanager
    def _training_state(self) -> Iterator[None]:
        """Training mode and the memory of the optimizer; everything as it was afterwards."""
        was_training = self.model.training
        ballast = torch.ones(self._ballast, dtype=torch.uint8, device=self.device)
        self.model.train()
        try:
            with torch.random.fork_rng():
                yield
        finally:
            self.model.train(was_training)
            self.model.zero_grad(set_to_none=True)
            del ballast
            free_cached_memory()


def predicted_peak(peaks: dict[int, int], batch: int) -> int | None:
    """Bytes that a batch will take, on the line through the two largest trials.

    Args:
        peaks: examples -> bytes, of the trials so far.
        batch: examples.

    Returns:
        None with fewer than two trials.
    """
    if len(peaks) < 2:
        return None
    small, large = sorted(peaks)[-2:]
    slope = max(0.0, (peaks[large] - peaks[small]) / (large - small))
    return round(peaks[large] + slope * (batch - large))


def free_memory(device: torch.device) -> int:
    """Bytes that this process may take on a device: a share of what is free."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return int(CUDA_SHARE * (free + torch.cuda.memory_reserved(device)))
    free = psutil.virtual_memory().available
    limit = container_limit()
    if limit is not None:
        free = min(free, limit)
    return int(CPU_SHARE * free / process_count())


def container_limit(folder: Path = Path("/sys/fs/cgroup")) -> int | None:
    """Bytes that this container may still take (Linux, cgroup 2), or None if it has no limit."""
    try:
        most = (folder / "memory.max").read_text(encoding="ascii").strip()
        used = (folder / "memory.current").read_text(encoding="ascii").strip()
    except OSError:
        return None
    return None if most == "max" else max(0, int(most) - int(used))


def held_memory(device: torch.device) -> int:
    """Bytes that this process holds: allocated on a GPU, resident on the CPU."""
    if device.type == "cuda":
        return int(torch.cuda.memory_allocated(device))
    return int(psutil.Process().memory_info().rss)


@contextmanager
def peak_memory(device: torch.device) -> Iterator[list[int]]:
    """Watch the memory of this process.

    Yields:
        A list whose one item is, after the block, the most bytes that were held in it.
    """
    peak = [held_memory(device)]
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        yield peak
        peak[0] = int(torch.cuda.max_memory_allocated(device))
        return
    # The system's own high-water mark cannot be set back, so the process watches itself.
    process, done = psutil.Process(), threading.Event()

    def watch() -> None:
        while not done.wait(_SAMPLING_SECONDS):
            peak[0] = max(peak[0], int(process.memory_info().rss))

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield peak
    finally:
        done.set()
        watcher.join()


def _trim_heap() -> None:
    """Return freed memory to the system (glibc), so that a trial does not count the last one's."""
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)
