"""Make the demo's assets again from nothing: speech, tokenizer, base model, corpora.

    python demo/make                                # about twenty minutes on two cores
    python demo/make --steps=20 --utterances=200 --demo_dir=output/assets   # a quick try

Needs the program espeak-ng (`apt-get install espeak-ng`, `brew install espeak-ng`). Every stage
keeps its result in the work folder, so that a run that was stopped goes on where it was.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

# This folder is on the path; the repository, which holds `utils` and `demo`, is not.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from utils.cli.errors import UserError, run_script
from utils.cli.flags import parse_settings


@dataclass(frozen=True)
class AssetSettings:
    """What to make, and how much of it; the defaults made what is in git."""

    demo_dir: Path = Path("demo")
    """folder that gets base/, zh/, en/ and ASSETS.md"""

    work_dir: Path = Path("output/demo-assets")
    """folder for what is not kept in git: the base corpus and the training's checkpoints"""

    utterances: int = 10000
    """general sentences to synthesise for the base model"""

    held_out: int = 400
    """how many of them are kept from training, to measure the base model"""

    speakers: int = 24
    """speakers who say every word by itself, in each language"""

    vocabulary: int = 1500
    """used text tokens, the 256 bytes included"""

    steps: int = 2500
    """training steps of the base model"""

    seed: int = 1
    """of sentences, speakers, weights and batches"""

    threads: int = 2
    """threads for the training"""

    def __post_init__(self) -> None:
        if self.held_out * 2 > self.utterances:
            raise UserError(
                f"--held_out={self.held_out} leaves too few of --utterances={self.utterances}",
                "hold out at most half of the utterances",
            )


def main(argv: Sequence[str] | None = None) -> None:
    """Make all assets."""
    settings = parse_settings(AssetSettings, argv, prog="demo/make", description=str(__doc__))
    # torch and transformers are imported after the flags are read, so that --help is instant.
    from demo.make.pipeline import Plan, make_assets

    plan = Plan(
        utterances=settings.utterances,
        held_out=settings.held_out,
        speakers=settings.speakers,
        vocabulary=settings.vocabulary,
        steps=settings.steps,
        seed=settings.seed,
    )
    make_assets(settings.demo_dir, settings.work_dir, plan, settings.threads)


if __name__ == "__main__":
    sys.exit(run_script(main))
