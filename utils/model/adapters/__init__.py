"""LoRA and its family: attach, save, merge, interpolate with the base."""
