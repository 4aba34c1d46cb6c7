"""Figures beside the error rate: keywords, punctuation and case, loops, numerals, translation.

Each is a `Figure` under a name, with an interval over the same blocks as the rate's where it is a
ratio of counts. To add one, write a function from a score to figures in a file beside this one, and
call it in utils/evaluation/figures.py.
"""
