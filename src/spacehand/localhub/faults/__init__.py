"""Rehearsals: the Hub fails on request, in the ways and words in which huggingface.co does."""
