"""Whisper itself: loading, audio context, precision, adapters, merging, folders, processes."""

import warnings

# Of no use to the person at the terminal: peft calls transformers by a name that is going away.
warnings.filterwarnings("ignore", message="`is_gradient_checkpointing` is deprecated")
