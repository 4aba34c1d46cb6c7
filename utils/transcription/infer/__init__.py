"""Files, pages and the microphone to transcripts: what `infer.py` does."""
