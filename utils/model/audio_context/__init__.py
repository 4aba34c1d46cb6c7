"""How much of the 30 s window the encoder computes."""
