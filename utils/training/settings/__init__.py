"""What can be set about a fine-tuning run."""
