"""Whisper itself: loading, audio context, precision, adapters, merging, folders, processes."""

import logging
import warnings

# What libraries tell each other is of no use to the person at the terminal: bitsandbytes names the
# optional kernels that it does not find, peft calls transformers by a name that is going away.
logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
warnings.filterwarnings("ignore", message="`is_gradient_checkpointing` is deprecated")
