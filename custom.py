"""Turn the speech data that you have into manifests: one command for each kind of data.

Recordings with texts beside them: python custom.py folder --path=recordings/
A table, split by speakers:        python custom.py table --path=clips.csv --split=0.9/0.05/0.05
Recordings with subtitles:         python custom.py subtitles --path=talk.mp3 --language=English
Packing files into a few tars:     python custom.py pack --path=dataset/train.json

Writes train.json (with --split also dev.json and test.json) into --output_dir, and lists what was
left out. Your data is only read. Next: check_data.py, then finetune.py.
"""

from __future__ import annotations

from collections.abc import Sequence

from utils.cli.commands import parse_command
from utils.cli.errors import exit_script, run_script
from utils.sources.pack import PackSettings
from utils.sources.registry import SOURCES

COMMANDS = {name: source.settings for name, source in SOURCES.items()} | {"pack": PackSettings}


def main(argv: Sequence[str] | None = None) -> None:
    """Parse the flags, read the source, write the manifests."""
    name, settings = parse_command(COMMANDS, argv, prog="custom.py", description=__doc__ or "")
    from utils.sources.pack import pack
    from utils.sources.prepare import prepare, tell

    if isinstance(settings, PackSettings):
        tell(pack(settings))
        return
    tell(prepare(SOURCES[name].gather(settings), settings, name))


if __name__ == "__main__":
    exit_script(run_script(main))
