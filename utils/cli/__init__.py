"""What every script shares: settings and flags, errors, messages, progress and safe files.

Nothing here imports torch or another heavy library, so that `--help` answers at once.
"""
