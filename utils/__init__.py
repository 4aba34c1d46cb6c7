"""The parts that the scripts are made of; see CONTRIBUTING.md for the map."""
