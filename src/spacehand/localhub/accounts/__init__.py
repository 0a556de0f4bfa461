"""Who calls: users, organisations, tokens, and the browser's session."""
