"""Texts with times: subtitle files, pieces of recordings, punctuation."""
