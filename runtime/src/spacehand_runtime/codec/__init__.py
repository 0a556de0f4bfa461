"""Results as plain values and bytes, and back: one file for each library whose types are kept."""
