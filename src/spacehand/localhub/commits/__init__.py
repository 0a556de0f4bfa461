"""Commits over HTTP: what to upload how, the commit itself, the history."""
