"""Curves and charts as pictures."""
