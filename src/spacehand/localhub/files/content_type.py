"""
How a file may be shown by a browser.

A repository's files come from anybody, and the page that shows them has the Hub's own origin: HTML, SVG and
the like would run there with the rights of whoever looks. So they are text, and media are what they are.
"""

from __future__ import annotations

import mimetypes
import re
from urllib.parse import quote

_SAFE = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp", "image/avif", "image/bmp"})
_TEXT = "text/plain; charset=utf-8"
_BINARY = "application/octet-stream"
_SAMPLE = 4096  # bytes
_NOT_PLAIN = re.compile(r'[\x00-\x1f\x7f"\\]')

# Besides this, no site may guess another type, and nothing in a file may run.
GUARDS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
}


def content_type(path: str, content: bytes | None) -> str:
    """Return the type to serve *path* with; *content* is None when git does not hold it."""
    guess = mimetypes.guess_type(path.rpartition("/")[2], strict=False)[0] or ""
    if guess in _SAFE or guess.startswith(("audio/", "video/")):
        return guess
    is_text = content is not None and b"\0" not in content[:_SAMPLE]
    return _TEXT if is_text else _BINARY


def content_disposition(path: str, *, download: bool) -> str:
    """Return the header that names the file, in ASCII and in full."""
    name = path.rpartition("/")[2]
    # git takes a line's end in a name; a header would end there.
    plain = _NOT_PLAIN.sub("_", name.encode("ascii", "replace").decode())
    kind = "attachment" if download else "inline"
    return f"{kind}; filename*=UTF-8''{quote(name, safe='')}; filename=\"{plain}\";"
