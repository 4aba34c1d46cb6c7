"""File to samples to log-mel: decoding, headers, durations, fingerprints, voices, augmentation."""
