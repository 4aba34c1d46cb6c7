"""Fine-tuning: settings, loss, trainer, what happens beside the steps, and the run as a whole."""
