"""Long lists of files, kept between the requests for their pages."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from spacehand.localhub.repos.snapshot import Entry, Snapshot

_ROOM = 200_000  # entries, some 60 MB


class Listings:
    """
    The lists asked for last.

    A client fetches a long list a page at a time. What a commit holds never changes, so the list is made once
    for all its pages, and need not be compared with anything.
    """

    def __init__(self, room: int = _ROOM) -> None:
        self._room = room
        self._lists: OrderedDict[tuple[str, str, bool], list[Entry]] = OrderedDict()
        self._lock = threading.Lock()

    def entries(self, snapshot: Snapshot, path: str, *, recursive: bool) -> list[Entry]:
        """
        Return what lies in the folder *path*, as `Snapshot.entries` does.

        Raises:
            HubError: 404, no such folder.
        """
        key = (snapshot.sha, path, recursive)
        with self._lock:
            if key in self._lists:
                self._lists.move_to_end(key)
                return self._lists[key]
        made = snapshot.entries(path, recursive=recursive)
        with self._lock:
            self._lists[key] = made
            while sum(map(len, self._lists.values())) > self._room:
                self._lists.popitem(last=False)
        return made
