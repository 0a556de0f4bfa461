from spacehand.localhub.files.listing import Listings


class FakeSnapshot:
    """A snapshot that counts how often its list is made."""

    def __init__(self, sha: str, size: int) -> None:
        self.sha = sha
        self.size = size
        self.made = 0

    def entries(self, path: str, *, recursive: bool) -> list[object]:
        self.made += 1
        return [object()] * self.size


def test_list_is_made_once_for_all_pages() -> None:
    """The same commit's list is made once, for each folder and depth."""
    listings, snapshot = Listings(), FakeSnapshot("a", 10)

    first = listings.entries(snapshot, "", recursive=True)
    assert listings.entries(FakeSnapshot("a", 10), "", recursive=True) is first
    listings.entries(snapshot, "", recursive=False)
    listings.entries(snapshot, "folder", recursive=True)

    assert snapshot.made == 3


def test_room_is_bounded() -> None:
    """What was asked for longest ago makes room; a list too long for all of it is not kept."""
    listings = Listings(room=25)
    old, young, huge = FakeSnapshot("old", 10), FakeSnapshot("young", 10), FakeSnapshot("huge", 26)

    for snapshot in (old, young, old, FakeSnapshot("new", 10), old, young):
        listings.entries(snapshot, "", recursive=True)
    assert (old.made, young.made) == (1, 2)

    for _ in range(2):
        listings.entries(huge, "", recursive=True)
    assert huge.made == 2
