"""Large files by Xet: cut into chunks, packed into xorbs, put together again from shards."""
