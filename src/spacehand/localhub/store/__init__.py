"""Everything the Hub keeps: where it lies on disk, the database, the keys, bytes by their hash."""
