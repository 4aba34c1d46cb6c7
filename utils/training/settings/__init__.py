"""Everything that can be set about a run: a group of flags a file, composed in `common`, `runs`.

A run's settings are as flat as its flags.
"""
