"""The git protocol over HTTP, spoken by git itself."""
