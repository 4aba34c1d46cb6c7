"""Steps that fit into memory: planned, probed, and recut when they do not."""
