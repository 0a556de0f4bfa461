import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacehand.localhub.commits.paths import folder_path, repo_path
from spacehand.localhub.errors import HubError

HOSTILE = [
    "", "/", "/a", "a//b", "..", "a/../b", "./a", "a/.", ".git/config", "a/.GIT/hooks/x", "git~1/x",
    ".git./x", ".git /x", "a\\b", "..\\a", "a\0b", "a\nb", "x" * 256, "\ud800", None, 7, ["a"],
]  # fmt: skip


@pytest.mark.parametrize("path", HOSTILE)
def test_hostile_paths_are_refused(path: object) -> None:
    """What leaves the repository, or touches git's own folder on any system, is refused with 422."""
    with pytest.raises(HubError) as refused:
        repo_path(path)

    assert refused.value.status == 422


@pytest.mark.parametrize(
    "path", ["a", ".gitattributes", ".github/x", "a b/ü.txt", "...a", "x\u202fy", "a.git"]
)
def test_ordinary_paths_pass(path: str) -> None:
    """Dots, blanks and letters of any script are fine."""
    assert repo_path(path) == path


@given(st.text(max_size=12))
def test_what_passes_stays_inside(path: str) -> None:
    """No text that passes has a part that climbs up or hides in git's folder."""
    try:
        parts = repo_path(path).split("/")
    except HubError:
        return
    assert not {"", ".", "..", ".git"} & {part.lower() for part in parts}


def test_whole_repository_is_a_folder() -> None:
    """The root may be deleted; other folders lose their last slash."""
    assert [folder_path(text) for text in ("/", "", ".", "a/", "a/b")] == ["", "", "", "a", "a/b"]
