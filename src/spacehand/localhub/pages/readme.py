"""A README as a page shows it: rendered, and harmless whatever it holds."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable
from functools import lru_cache
from urllib.parse import quote, unquote, urlsplit

import nh3
from markdown_it import MarkdownIt
from markupsafe import Markup

from spacehand.localhub.pages.render import repo_url
from spacehand.localhub.repos.card import header
from spacehand.localhub.repos.store import Repo

_TAGS = (nh3.ALLOWED_TAGS | {"audio", "video", "source"}) - {"area", "map"}
_LONGEST = 1024 * 1024  # characters that a page shows
_HEADING = re.compile(r"<(/?)h([1-5])\b")
_NO_SOURCE = re.compile(r'<img(?![^>]*\ssrc=)[^>]*\salt="([^"<>]*)"[^>]*>')
_MEDIA = ("img", "audio", "video", "source")
_FRONT = re.compile(r"\A\ufeff?\s*---[ \t]*\r?\n.*?^---[ \t]*\r?$\n?", re.DOTALL | re.MULTILINE)


def rendered(readme: str, repo: Repo, revision: str, folder: str = "") -> Markup:
    """
    Return *readme* without its header as safe HTML.

    Links to files lead to their pages here, pictures come from this repository; pictures from elsewhere are
    replaced by their text, so that opening a page tells nobody.
    """
    readme = readme[:_LONGEST]
    body = _FRONT.sub("", readme, count=1) if header(readme) is not None else readme
    attributes = {tag: set(names) for tag, names in nh3.ALLOWED_ATTRIBUTES.items()}
    for tag in ("audio", "video"):
        attributes[tag] = {"src", "controls", "width", "height"}
    attributes["source"] = {"src", "type"}

    def rewrite(tag: str, name: str, value: str) -> str | None:
        if name == "src" and tag in _MEDIA:
            return _local(value, lambda path: repo_url(repo, "resolve", revision, path), folder)
        if tag == "a" and name == "href":
            return _link(value, repo, revision, folder)
        return value

    clean = nh3.clean(
        _markdown().render(body),
        tags=_TAGS,
        attributes=attributes,
        attribute_filter=rewrite,
        url_schemes={"http", "https", "mailto"},
    )
    # The page's own heading is the first; the card's begin one level below it.
    lowered = _HEADING.sub(lambda found: f"<{found[1]}h{int(found[2]) + 1}", clean)
    shown = _NO_SOURCE.sub(r'<span class="tag">\1</span>', lowered)
    return Markup(shown)  # noqa: S704 - nh3 has just cleaned it


def _link(value: str, repo: Repo, revision: str, folder: str) -> str | None:
    parts = urlsplit(value)
    if parts.scheme or parts.netloc or not parts.path:
        return value
    return _local(value, lambda path: repo_url(repo, "blob", revision, path), folder)


def _local(value: str, address: Callable[[str], str], folder: str) -> str | None:
    parts = urlsplit(value)
    if parts.scheme or parts.netloc:
        return None
    path = unquote(parts.path)
    if path.startswith("/"):
        return quote(path)
    wanted = posixpath.normpath(posixpath.join(folder, path))
    if wanted.startswith(".."):
        return None
    fragment = f"#{parts.fragment}" if parts.fragment else ""
    return f"{address(wanted)}{fragment}"


@lru_cache(maxsize=1)
def _markdown() -> MarkdownIt:
    return MarkdownIt("commonmark", {"html": True, "linkify": False}).enable(["table", "strikethrough"])
