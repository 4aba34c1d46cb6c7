"""Data from elsewhere: downloads, web pages, archives."""
