"""A trained folder, made publishable."""
