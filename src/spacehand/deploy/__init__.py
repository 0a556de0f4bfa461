"""Change a Hub: plan, apply, watch, prove."""
