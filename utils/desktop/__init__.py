"""The window: a recording in, sentences out, on this computer."""
