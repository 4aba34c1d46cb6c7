"""Training speed beside the stock recipe: clips of wanted lengths, both recipes, growth."""
