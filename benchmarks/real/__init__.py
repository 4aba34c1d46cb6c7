"""Parts of the maker of the base model for real speech."""
