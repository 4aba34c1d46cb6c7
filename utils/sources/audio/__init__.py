"""The sound that a corpus names: its files, its channels, how long it is."""
