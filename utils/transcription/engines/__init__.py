"""What computes the text: one file for each engine."""
