"""What libraries say when they are imported, and nobody at the terminal or elsewhere needs."""

from __future__ import annotations

import logging
import os


def silence_libraries() -> None:
    """Keep libraries from naming what they did not find: called before any of them is imported.

    bitsandbytes names optional kernels, and DeepSpeed, which others import where it is installed,
    the device that it would use. huggingface_hub asks its server which programs may have started
    this one, also where nothing but local files is wanted, in order to tell the server.
    """
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
    # A filter stays, where the library sets the level of its logger itself.
    logging.getLogger("DeepSpeed").addFilter(_is_no_start_line)


def _is_no_start_line(record: logging.LogRecord) -> bool:
    return record.filename != "real_accelerator.py" or record.levelno >= logging.ERROR
