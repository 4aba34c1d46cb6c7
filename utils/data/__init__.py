"""Speech to tensors: samples, augmentation, log-mel features, label tokens, examples, batches."""
