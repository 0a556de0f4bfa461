"""Buckets: plain files without history, which people send and Spaces mount."""
