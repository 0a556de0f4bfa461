"""Keys that stand for all the content of some objects: one file for each library whose types are known."""
