"""The pages that people open in a browser: the report of an evaluation, and of a validation."""
