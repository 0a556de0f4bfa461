"""Be a Hub: the one that runs on this machine, and really runs the Spaces pushed to it."""
