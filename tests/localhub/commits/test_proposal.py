import base64
import json
from pathlib import Path

import pygit2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacehand.localhub.commits.pack import Pack
from spacehand.localhub.commits.proposal import Large, Proposal, ProposalReader, Regular, Removal
from spacehand.localhub.errors import HubError

SHA256 = "ab" * 32
HEADER = {"key": "header", "value": {"summary": "title", "description": "more", "parentCommit": "f" * 40}}


@pytest.fixture(scope="module")
def git_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("proposal") / "repo.git"
    pygit2.init_repository(str(folder), bare=True)
    return folder


def read(git_dir: Path, body: bytes, pieces: list[int]) -> Proposal:
    with Pack(git_dir) as pack:
        reader = ProposalReader(pack)
        start = 0
        for length in [*pieces, len(body)]:
            reader.feed(body[start : start + length])
            start += length
        return reader.finish()


def ndjson(*lines: object) -> bytes:
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)


def file(path: str, content: bytes = b"content") -> dict[str, object]:
    value = {"content": base64.b64encode(content).decode(), "path": path, "encoding": "base64"}
    return {"key": "file", "value": value}


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 200), max_size=6))
def test_pieces_do_not_matter(git_dir: Path, pieces: list[int]) -> None:
    """However the body is cut on its way, the same operations come out, in order."""
    body = ndjson(
        HEADER,
        file("a.txt", b"hello"),
        {"key": "lfsFile", "value": {"path": "b.bin", "algo": "sha256", "oid": SHA256, "size": 5}},
        {"key": "deletedFile", "value": {"path": "c"}},
        {"key": "deletedFolder", "value": {"path": "d/"}},
    )

    proposal = read(git_dir, body, pieces)

    assert (proposal.message, proposal.parent) == ("title\n\nmore", "f" * 40)
    assert proposal.operations == [
        Regular("a.txt", "b6fc4c620b67d95f953a5c1c1230aaab5db5a1b0"),
        Large("b.bin", SHA256, 5),
        Removal("c", is_folder=False),
        Removal("d", is_folder=True),
    ]


def test_pointer_sent_as_text_is_a_large_file(git_dir: Path) -> None:
    """A pointer uploaded as it lies in a clone stands for its bytes, which must be here then."""
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{SHA256}\nsize 5\n".encode()

    proposal = read(git_dir, ndjson(HEADER, file("a.bin", pointer)), [])

    assert proposal.operations == [Large("a.bin", SHA256, 5)]


@pytest.mark.parametrize(
    ("status", "lines"),
    [
        (400, []),
        (400, [file("a")]),
        (400, [HEADER, {"key": "unheard", "value": {}}]),
        (400, [HEADER, {"key": "file", "value": 7}]),
        (400, [HEADER, {"key": "file", "value": {"path": "a"}}]),
        (400, [HEADER, {"key": "file", "value": {"path": "a", "content": "é", "encoding": "base64"}}]),
        (400, [HEADER, 7]),
        (400, [HEADER, {"value": {}}]),
        (400, [{"key": "header", "value": {"summary": "  "}}]),
        (400, [{"key": "header", "value": {"summary": "a", "parentCommit": 7}}]),
        (400, [HEADER, {"key": "lfsFile", "value": {"path": "a", "oid": "xyz", "size": 1}}]),
        (400, [HEADER, {"key": "lfsFile", "value": {"path": "a", "oid": SHA256, "algo": "md5"}}]),
        (400, [HEADER, {"key": "lfsFile", "value": {"path": "a", "oid": SHA256, "size": -1}}]),
        (413, [HEADER, file("a", bytes(10 * 1024 * 1024 + 1))]),
        (422, [HEADER, file("../a")]),
        (422, [HEADER, {"key": "deletedFolder", "value": {"path": "a/../.."}}]),
    ],
)
def test_nonsense_is_refused(git_dir: Path, status: int, lines: list[object]) -> None:
    """Each wrong line has its status, and none is a fault of the server."""
    with pytest.raises(HubError) as refused:
        read(git_dir, ndjson(*lines), [])

    assert refused.value.status == status


def test_endless_line_is_refused_before_it_ends(git_dir: Path) -> None:
    """A line longer than any file may be is not gathered in memory."""
    with Pack(git_dir) as pack:
        reader = ProposalReader(pack)
        for _ in range(13):
            reader.feed(b"x" * 1024 * 1024)
        with pytest.raises(HubError) as refused:
            reader.feed(b"x" * 1024 * 1024)

    assert refused.value.status == 413
