"""Speech to text with a confidence for every word."""
