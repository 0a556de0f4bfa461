"""A Hub in this very process, and those who knock at it."""

from __future__ import annotations

from tests.localhub.conftest import anonymous, opened_hub, owner, stranger

__all__ = ["anonymous", "opened_hub", "owner", "stranger"]
