"""Results that are computed once and kept, in memory and on disk."""
