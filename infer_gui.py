r"""Transcribe in a window: open or record, see and hear each sentence, correct, export.

Open it:        python infer_gui.py --model_path=models/whisper-tiny-finetune
A recording:    python infer_gui.py --model_path=models/mine --audio_path=talk.mp3
In Chinese:     python infer_gui.py --window_language=zh
Does it work?   python infer_gui.py --model_path=demo/base --audio_path=dataset/sample.flac \
                    --self_check=True

The text is that of infer.py with the same model (on a CPU with --batch_size=1). PySide6 is needed:
pip install -r requirements/gui.txt -c constraints.txt. Exit code: 0 closed, 1 --self_check found
what does not work, 2 unusable input.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Sequence

from utils.cli.errors import exit_script, run_script
from utils.cli.extras import expect_installed
from utils.cli.flags import parse_settings
from utils.desktop.settings import GuiSettings

EVERYDAY = ("model_path", "audio_path", "language", "task", "device", "window_language")


def main(argv: Sequence[str] | None = None) -> int:
    """Show the window until it is closed."""
    multiprocessing.freeze_support()
    settings = parse_settings(
        GuiSettings, argv, prog="infer_gui.py", description=__doc__ or "", everyday=EVERYDAY
    )
    expect_installed("PySide6", "infer_gui.py")
    # Imported after the flags: --help and a mistyped flag answer at once.
    from utils.desktop.run import run

    run(settings)
    return 0


if __name__ == "__main__":
    exit_script(run_script(main))
