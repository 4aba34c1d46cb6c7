r"""Make a base model for real speech: OpenAI's whisper-base encoder with a new decoder.

    python benchmarks/real_base.py              # about an hour on one core, less on more
    python benchmarks/real_base.py --share=0.02 --steps=20 --work_dir=output/try    # a quick try

Complete pre-trained weights need a network. This needs their encoder alone: it stays frozen, and a
decoder of three layers learns to read its states, from synthesised speech (espeak-ng) and a few
real words. This decoder reads states of windows as long as the clips; a second one, in base-30s/,
goes on from it on states of 30 s windows alone, as every published Whisper has seen them. Needs
the program espeak-ng and recorded speech that is not part of the repository (--data_dir,
--encoder). The recordings of the sets that are fine-tuned later are not used here;
of their train parts the texts are. Each stage is kept, and a run that was stopped goes on.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

# A script's own folder is on the path; the repository, which holds `utils` and `demo`, is not.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from utils.cli.errors import UserError, run_script
from utils.cli.flags import parse_settings


@dataclass(frozen=True)
class RealBaseSettings:
    """What to make; the defaults made the model in docs/results.md."""

    encoder: str = "../shared/models/whisper-base-encoder"
    """folder of a Whisper of which the encoder is used"""

    data_dir: Path = Path("../shared/data")
    """folder of the recorded speech"""

    work_dir: Path = Path("output/real_speech")
    """gets base/, base-30s/, and what is kept between the stages"""

    share: float = 1.0
    """share of the clips to make; less for a quick try"""

    steps: int = 1200
    """training steps of the decoder"""

    full_share: float = 0.15
    """share of the clips to make for base-30s, a base that knows 30 s windows alone"""

    full_steps: int = 150
    """training steps on these; 0: without base-30s"""

    seed: int = 1
    """of sentences, voices, weights and batches"""

    threads: int = 1
    """threads for encoding and training"""

    def __post_init__(self) -> None:
        for name in ("share", "full_share"):
            value = getattr(self, name)
            if not 0 < value <= 1:
                raise UserError(f"--{name}={value:g}: expected more than 0 and at most 1")


def main(argv: Sequence[str] | None = None) -> None:
    """Make the clips, encode them, train the decoder, save the model."""
    settings = parse_settings(RealBaseSettings, argv, prog="real_base.py", description=str(__doc__))
    # torch and transformers are imported after the flags are read, so that --help is instant.
    from benchmarks.real.pipeline import make_base

    make_base(
        encoder=settings.encoder,
        data_dir=settings.data_dir,
        work_dir=settings.work_dir,
        share=settings.share,
        steps=settings.steps,
        full_share=settings.full_share,
        full_steps=settings.full_steps,
        seed=settings.seed,
        threads=settings.threads,
    )


if __name__ == "__main__":
    sys.exit(run_script(main))
