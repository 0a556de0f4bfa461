"""An app folder, described and built into what is pushed."""
