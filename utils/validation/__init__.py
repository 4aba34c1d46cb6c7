"""The checks behind check_data.py: what is wrong with manifests and their audio."""
