"""Utterances to text."""
