"""The door to every Space."""
