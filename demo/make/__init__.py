"""How the demo's base model, tokenizer and corpora are made (`python demo/make`)."""
