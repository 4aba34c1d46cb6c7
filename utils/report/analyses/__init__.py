"""Why models err: one function for each question, each giving a section of tables."""
