"""One Space's life: what should run, what runs, and the way between."""
