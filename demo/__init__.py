"""The embedded default: a tiny base model, two small corpora, and the program that uses them."""
