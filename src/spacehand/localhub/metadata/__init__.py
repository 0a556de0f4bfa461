"""Front matter checked as the Hub does, and small services that every client asks for."""
