"""What several processes share out: the data alone (DDP), or also the model (FSDP2, ZeRO)."""
