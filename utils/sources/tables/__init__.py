"""Tables: their cells in any dialect, and which column is which."""
