"""Container images: what a Dockerfile asks for, and the tools that build it."""
