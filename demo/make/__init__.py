"""How the demo's base model, tokenizer and corpora are made (see `demo/make_assets.py`)."""
