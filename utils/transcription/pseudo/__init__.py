"""Recordings without text to labelled pieces, by a model."""
