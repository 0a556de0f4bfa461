"""Run the official client's own tests against the local Hub."""
