"""Branches and tags."""
