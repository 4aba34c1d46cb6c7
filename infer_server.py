r"""Serve a model: HTTP, OpenAI's interface, live text, and a page for the browser.

For yourself:    python infer_server.py --model_path=models/whisper-tiny-finetune
For others:      WHISPER_API_KEY=secret python infer_server.py --host=0.0.0.0 --num_workers=2 \
                     --api_key=WHISPER_API_KEY
Two models:      python infer_server.py --model_path=base=openai/whisper-tiny,models/mine
And collecting:  python infer_server.py --model_path=models/mine --collect=dataset/corrections

The page is at http://127.0.0.1:5000/, and /docs describes the interfaces. Nothing that is uploaded
is kept, unless --collect names a folder. Ctrl-C and SIGTERM end the server when it has answered
what it had accepted. Exit code: 0 stopped, 2 unusable input.
"""

from __future__ import annotations

from collections.abc import Sequence

from utils.cli.errors import exit_script, run_script
from utils.cli.extras import expect_installed
from utils.cli.flags import parse_settings
from utils.serving.settings import ServerSettings

EVERYDAY = (
    *("host", "port", "model_path", "language", "use_gpu", "use_int8", "beam_size", "num_workers"),
    *("vad_filter", "local_files_only", "api_key", "collect"),
)
MODULES = (
    *("fastapi", "uvicorn", "httptools", "python_multipart", "websockets", "prometheus_client"),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Start the processes, listen, and serve until a signal comes."""
    settings = parse_settings(
        ServerSettings, argv, prog="infer_server.py", description=__doc__ or "", everyday=EVERYDAY
    )
    for module in MODULES:
        expect_installed(module, "infer_server.py")
    # Imported after the flags: --help and a mistyped flag answer at once.
    from utils.serving.run import serve

    serve(settings)
    return 0


if __name__ == "__main__":
    exit_script(run_script(main))
