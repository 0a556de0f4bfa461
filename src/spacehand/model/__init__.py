"""A trained folder, made publishable: what it is, what its weights say, which files belong, and its card."""
