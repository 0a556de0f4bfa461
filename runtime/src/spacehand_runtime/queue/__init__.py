"""Jobs that wait their turn, and what runs them."""
