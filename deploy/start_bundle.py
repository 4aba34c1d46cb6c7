"""Start the bundled window, let it transcribe a recording, and say how large the bundle is.

After make gui-bundle:  python deploy/start_bundle.py output/gui/infer_gui
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
LONGEST_SECONDS = 300


def main() -> int:
    """Return the exit code of the window."""
    folder = Path(sys.argv[1]).resolve()
    program = folder / ("infer_gui.exe" if sys.platform == "win32" else "infer_gui")
    environment = dict(os.environ)
    if sys.platform.startswith("linux") and not environment.get("DISPLAY"):
        environment.setdefault("QT_QPA_PLATFORM", "offscreen")
    # Nothing of this checkout or of its Python can help the bundle.
    environment = {k: v for k, v in environment.items() if not k.startswith("PYTHON")}
    model, recording = REPOSITORY / "demo" / "base", REPOSITORY / "dataset" / "sample.flac"
    command = [
        str(program),
        f"--model_path={model}",
        f"--audio_path={recording}",
        "--self_check=True",
    ]
    done = subprocess.run(command, cwd=folder, env=environment, timeout=LONGEST_SECONDS)
    size = sum(each.stat().st_size for each in folder.rglob("*") if not each.is_symlink())
    sys.stdout.write(f"{program}: exit code {done.returncode}, {size / 1e6:.0f} MB\n")
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
