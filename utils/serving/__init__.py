"""A model over HTTP: recognition, live text, and a page."""
