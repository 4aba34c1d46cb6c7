"""The project's scores as metrics that `evaluate.load` takes from a folder."""
