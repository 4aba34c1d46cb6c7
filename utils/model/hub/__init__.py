"""Models to the Hugging Face Hub: what is asked for, a card, an upload that can be repeated."""
