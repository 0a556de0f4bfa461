"""Repositories: made, listed, described, moved, deleted."""
