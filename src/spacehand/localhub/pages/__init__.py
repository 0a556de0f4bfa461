"""The Hub's pages for people."""
