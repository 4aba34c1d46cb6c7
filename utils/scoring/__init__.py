"""Transcripts to error rates: normalise, count, interval, gate. Imports no torch."""
