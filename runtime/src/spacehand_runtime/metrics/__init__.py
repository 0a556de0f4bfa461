"""What an app did since it started: counted, and shown."""
