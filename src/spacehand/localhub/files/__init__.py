"""Files: lists of them, and their bytes."""
