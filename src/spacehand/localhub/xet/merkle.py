"""
The hashes of Xet: keyed blake3 over chunks, and a tree over their hashes.

A hash is 32 bytes; written as text, the bytes inside each group of eight are in reverse order.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from blake3 import blake3

NO_CONTENT = bytes(32)  # the hash of a file without chunks

# The protocol's keys, one for each thing that is hashed.
_CHUNK_KEY = bytes.fromhex("6697f5775b9550de3135cbaca597181c9de421109beb2b58b4d0b04b93adf229")
_NODE_KEY = bytes.fromhex("017ec5c7a5472996fd946666b48a02e65ddd536f37c76dd2f86352e64a53713f")
_RANGE_KEY = bytes.fromhex("7f1857d6ce56ed66127ff913e7a5c3f3a4cd26d5b5db49e64124987f28fb94c3")
_FILE_KEY = bytes(32)

_BRANCHES = 4  # children of a node, on average; never more than twice as many and one

Node = tuple[bytes, int]  # hash and size in bytes of what is below


def to_text(digest: bytes) -> str:
    """Return *digest* as clients write it in paths and JSON."""
    return b"".join(digest[start : start + 8][::-1] for start in range(0, 32, 8)).hex()


def from_text(text: str) -> bytes:
    """Return the 32 bytes that *text* (64 hexadecimal digits) stands for."""
    swapped = bytes.fromhex(text)
    return b"".join(swapped[start : start + 8][::-1] for start in range(0, 32, 8))


def chunk_hash(content: bytes | bytearray | memoryview) -> bytes:
    return blake3(content, key=_CHUNK_KEY).digest()


def range_hash(chunk_hashes: bytes | bytearray | memoryview) -> bytes:
    """Return what proves knowledge of the chunks whose hashes stand in *chunk_hashes* in a row."""
    return blake3(chunk_hashes, key=_RANGE_KEY).digest()


def xorb_hash(chunks: Iterable[Node]) -> bytes:
    """Return the hash of a xorb of *chunks*: the root of their tree."""
    level = list(chunks)
    if not level:
        return NO_CONTENT
    while len(level) > 1:
        level = list(_parents(level))
    return level[0][0]


def file_hash(chunks: Iterable[Node]) -> bytes:
    """Return the hash of a file made of *chunks*."""
    root = xorb_hash(chunks)
    return root if root == NO_CONTENT else blake3(root, key=_FILE_KEY).digest()


def _parents(level: Sequence[Node]) -> Iterable[Node]:
    start = 0
    while start < len(level):
        end = _cut(level, start)
        children = level[start:end]
        text = "".join(f"{to_text(digest)} : {size}\n" for digest, size in children)
        yield blake3(text.encode(), key=_NODE_KEY).digest(), sum(size for _, size in children)
        start = end


def _cut(level: Sequence[Node], start: int) -> int:
    """Return where the children of one node end: the hashes themselves choose, so that trees share parts."""
    end = min(start + 2 * _BRANCHES + 1, len(level))
    for number in range(start + 2, end):
        if int.from_bytes(level[number][0][24:32], "little") % _BRANCHES == 0:
            return number + 1
    return end
