"""What an app needs inside a small Space; standard library only."""

__all__: list[str] = []
