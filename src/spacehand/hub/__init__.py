"""What we need from a Hub, whichever it is."""
