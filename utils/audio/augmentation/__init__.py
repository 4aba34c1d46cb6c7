"""Changes of the sound and of its features that make training examples more varied."""
