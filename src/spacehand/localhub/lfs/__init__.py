"""Large files by git-lfs: asked for in batches, sent and fetched whole by their sha256."""
