"""Recordings of several speakers: cpWER and tcpWER, counted by meeteval.

A recording is a session; what belongs to it stands in segments with a speaker and times.
"""
