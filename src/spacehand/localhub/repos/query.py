"""What a list of repositories is asked for: author, search, tags, order."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from starlette.datastructures import QueryParams

from spacehand.localhub.errors import HubError
from spacehand.localhub.repos.wire import Described

if TYPE_CHECKING:
    from spacehand.localhub.hub import LocalHub
    from spacehand.localhub.repos.store import Repo

_SORTS = {
    "": "modified",
    "lastModified": "modified",
    "last_modified": "modified",
    "trendingScore": "modified",  # nothing trends on a Hub of one's own
    "downloads": "modified",
    "createdAt": "created",
    "created_at": "created",
    "likes": "likes",
}


@dataclass(frozen=True, slots=True)
class Query:
    """A parsed query string."""

    author: str | None
    search: str
    tags: frozenset[str]  # all of them must be there
    sort: str  # "modified", "created" or "likes"
    ascending: bool

    @classmethod
    def parse(cls, query: QueryParams) -> Query:
        """
        Return what *query* asks for.

        Raises:
            HubError: 400, an order that nobody knows.
        """
        sort = query.get("sort", "")
        if sort not in _SORTS:
            raise HubError(400, f"Cannot sort by `{sort[:40]}`")
        wanted = [*query.getlist("filter"), *query.getlist("pipeline_tag")]
        tags = {tag for text in wanted for tag in text.split(",") if tag}
        ascending = query.get("direction") == "1"
        return cls(
            query.get("author") or None, query.get("search", ""), frozenset(tags), _SORTS[sort], ascending
        )

    def select(self, hub: LocalHub, repos: Iterable[Repo]) -> list[Described]:
        """Return those of *repos* that have the tags, in order."""
        found = sorted(repos, key=lambda repo: self._key(hub, repo), reverse=not self.ascending)
        described = [Described(hub, repo) for repo in found]
        return [each for each in described if self.tags <= set(each.tags)] if self.tags else described

    def _key(self, hub: LocalHub, repo: Repo) -> float:
        if self.sort == "likes":
            return len(hub.repos.likes(repo))
        return repo.created if self.sort == "created" else repo.modified
