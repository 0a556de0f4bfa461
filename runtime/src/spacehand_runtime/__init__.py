"""What an app needs inside a small Space; standard library only."""

from ._metrics import Metrics
from ._rate_limit import RateLimit

__all__ = ["Metrics", "RateLimit"]
