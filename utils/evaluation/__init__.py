"""Models on test sets: transcribed, scored, compared, written to results.json."""
