"""What `data_scale.py` measures, each in a process of its own."""
