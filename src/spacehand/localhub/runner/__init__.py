"""Build and run Spaces."""
