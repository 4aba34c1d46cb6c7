"""Speech data described in JSONL manifests: read, check, write, decode. Imports no torch."""
