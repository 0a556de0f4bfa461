"""The pages, as any client without a browser sees them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from huggingface_hub.utils import get_session
from tests.localhub.spaces.scripted import ScriptedHub

from spacehand.localhub.accounts.store import SESSION_COOKIE
from spacehand.localhub.pages.readme import rendered
from spacehand.localhub.pages.render import STATIC, size_words
from spacehand.localhub.pages.routes import _WORDS
from spacehand.stage import Stage

BROWSER = {"Accept": "text/html,application/xhtml+xml"}


def get(hub: ScriptedHub, path: str, *, owner: bool = False) -> Any:
    cookies = {}
    if owner:
        code = urlsplit(hub.hub.accounts.one_time_link()).path.rpartition("/")[2]
        cookies = {"Cookie": f"{SESSION_COOKIE}={hub.hub.accounts.sign_in(code)}"}
    return get_session().get(f"{hub.url}{path}", headers=BROWSER | cookies)


def test_the_first_page_lists_what_the_reader_may_see(shown: ScriptedHub) -> None:
    """
    A private repository appears for its owner alone, and markup in a title is text.
    """
    page, mine = get(shown, "/"), get(shown, "/", owner=True)
    for name in ("/ada/tiny", "/datasets/ada/clips", "/spaces/ada/dictation"):
        assert f'href="{name}"' in page.text
    assert "ada/hidden" not in page.text
    assert 'href="/ada/hidden"' in mine.text
    assert "Dictation &lt;b&gt;" in page.text
    assert "from-indigo to-pink" in page.text


@pytest.mark.parametrize(
    ("path", "there", "absent"),
    [
        ("/?search=tin", "/ada/tiny", "/spaces/ada/dictation"),
        ("/models", "/ada/tiny", "/datasets/ada/clips"),
        ("/spaces", "/spaces/ada/dictation", "/ada/tiny"),
        ("/ada", "/ada/tiny", "/bob"),
    ],
)
def test_lists_are_narrowed(shown: ScriptedHub, path: str, there: str, absent: str) -> None:
    """
    By a word in the name, by kind, by account.
    """
    page = get(shown, path).text
    assert f'href="{there}"' in page
    assert f'href="{absent}"' not in page


def test_a_search_that_finds_nothing_says_so(shown: ScriptedHub) -> None:
    """
    The words come back as text, not as markup.
    """
    assert "“&lt;i&gt;”" in get(shown, "/?search=<i>").text


def test_no_page_runs_what_a_repository_holds(shown: ScriptedHub) -> None:
    """
    Scripts, handlers, frames and styles of a card are gone, and the policy would forbid them anyway.
    """
    page = get(shown, "/ada/tiny")
    card = page.text.partition('<article class="prose"')[2].partition("</article>")[0]
    for harm in ("<script", "onclick", "javascript:", "<iframe", "<style", "alert("):
        assert harm not in card
    assert "<b>bold</b>" in card
    assert "<h2>Tiny</h2>" in card
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert page.headers["X-Content-Type-Options"] == "nosniff"


def test_a_cards_links_lead_to_pages_and_its_pictures_are_its_own(shown: ScriptedHub) -> None:
    """
    Relative links go to the file's page, pictures to its bytes; a picture from elsewhere is only its text.
    """
    card = get(shown, "/ada/tiny").text
    assert 'href="/ada/tiny/blob/main/config.json"' in card
    assert 'href="https://example.org"' in card
    assert 'href="/models"' in card
    assert 'src="/ada/tiny/resolve/main/plots/loss.png"' in card
    assert "img.example" not in card
    assert '<span class="tag">badge</span>' in card


def test_weights_are_told_from_their_headers(shown: ScriptedHub) -> None:
    """
    Parameters and types of a large file, without anybody having said them.
    """
    page = get(shown, "/ada/tiny").text
    assert "<strong>1M</strong> parameters" in page
    assert re.search(r"<dt>BF16</dt><dd>1M</dd>\s*<dt>F32</dt><dd>240</dd>", page)
    assert "<dd>2 MB</dd>" in page


def test_a_folder_lists_its_files(shown: ScriptedHub) -> None:
    """
    Folders first, odd names quoted, branches with a slash reachable.
    """
    page = get(shown, "/ada/tiny/tree/main").text
    assert page.index("/tree/main/plots") < page.index("/blob/main/config.json")
    assert "/ada/tiny/blob/main/odd%20%23name%3F.txt" in page
    assert "/ada/tiny/tree/a%2Fbranch" in page
    assert get(shown, "/ada/tiny/tree/a%2Fbranch/plots").status_code == 200
    assert "odd" in get(shown, "/ada/tiny/blob/main/odd%20%23name%3F.txt").text


def test_a_file_is_shown_as_what_it_is(shown: ScriptedHub) -> None:
    """
    Text as text, a picture as a picture, a large file by its sha256.
    """
    text = get(shown, "/ada/tiny/blob/main/config.json").text
    assert "{&#34;a&#34;: &#34;&lt;script&gt;&#34;}" in text
    assert (
        '<img src="/ada/tiny/resolve/main/plots/loss.png"'
        in get(shown, "/ada/tiny/blob/main/plots/loss.png").text
    )
    assert "This file is not shown" in get(shown, "/ada/tiny/blob/main/blob.bin").text
    large = get(shown, "/ada/tiny/blob/main/model.safetensors").text
    assert re.search(r"sha256 <code>[0-9a-f]{64}</code>", large)


def test_a_bucket_lists_its_files(shown: ScriptedHub) -> None:
    """
    A bucket's page has its files with sizes and downloads, its usage and folders; private is its owner's.
    """
    page = get(shown, "/buckets/ada/data").text
    assert "2 files, 29 B in the whole bucket" in page
    assert 'href="/buckets/ada/data/resolve/notes.html?download=true"' in page
    assert 'href="/buckets/ada/data/tree/tables"' in page
    inside = get(shown, "/buckets/ada/data/tree/tables").text
    (address,) = re.findall(r'class="file" href="([^"]+)"', inside)
    assert get(shown, address).text == "a,b\n"
    assert get(shown, "/buckets/ada/data/tree/notes.html").text == "<script>alert(1)</script>"
    assert get(shown, "/buckets/ada/data/tree/none").status_code == 404
    assert get(shown, "/buckets/ada/diary").status_code == 404
    assert get(shown, "/buckets/ada/diary", owner=True).status_code == 200
    for path in ("/buckets", "/ada", "/?search=dat"):
        assert 'href="/buckets/ada/data"' in get(shown, path).text
        assert "ada/diary" not in get(shown, path).text


def test_commits_are_shown(shown: ScriptedHub) -> None:
    """
    Also the address that the client prints after a commit, and the very first commit.
    """
    listed = get(shown, "/ada/tiny/commits/main").text
    shas = re.findall(r"/ada/tiny/commit/([0-9a-f]{40})", listed)
    page = get(shown, f"/ada/tiny/commit/{shas[0]}").text
    assert "Publish &lt;the&gt; model" in page
    assert "With its card" in page
    assert re.search(r"config\.json</a></th>\s*<td class=\"size\">added", page)
    assert ".gitattributes" in get(shown, f"/ada/tiny/commit/{shas[-1]}").text


def test_a_spaces_page_frames_its_app(shown: ScriptedHub) -> None:
    """
    On the Space's own host, at the card's base path, sandboxed; fidelity and differences stand below it.
    """
    shown.runner.stage = Stage.RUNNING
    page = get(shown, "/spaces/ada/dictation").text
    port = shown.url.rpartition(":")[2]
    assert f'src="http://ada-dictation.localhost:{port}/sub?__theme=system"' in page
    assert "allow-same-origin" in page
    assert "Runs in a <strong>sandbox</strong>" in page
    assert "Python 3.11 in place of 3.10" in page


def test_a_failed_space_shows_why(shown: ScriptedHub) -> None:
    """
    The stage in words and the reason; the frame stays empty.
    """
    shown.runner.stage = Stage.RUNTIME_ERROR
    page = get(shown, "/spaces/ada/dictation").text
    shown.runner.stage = Stage.RUNNING
    assert "Runtime error" in page
    assert not re.search(r"<iframe[^>]*\ssrc=", page)


def test_a_private_spaces_frame_is_signed(shown: ScriptedHub) -> None:
    """
    Its owner's page brings the key along; strangers find no page.
    """
    mine = get(shown, "/spaces/ada/closed", owner=True).text
    assert "__sign=" in mine
    stranger = get(shown, "/spaces/ada/closed")
    assert stranger.status_code == 404
    assert "__sign=" not in stranger.text


def test_a_card_decides_how_the_app_is_framed(shown: ScriptedHub) -> None:
    """
    `header: mini` leaves out the Hub's own head, `fullWidth: false` sets the app in a column; without both
    neither is so. `disable_embedding` is about other websites: here the app is in its frame.
    """
    shown.runner.stage = Stage.RUNNING
    mini, usual = get(shown, "/spaces/ada/floating").text, get(shown, "/spaces/ada/dictation").text
    assert '<header class="top">' in usual
    assert '<header class="top">' not in mini
    assert '<iframe class="app column"' in mini
    assert '<iframe class="app"' in usual
    assert re.search(r"<iframe[^>]*\ssrc=", mini)
    assert "How true to huggingface.co" in mini


def test_settings_show_variables_and_no_secret(shown: ScriptedHub) -> None:
    """
    The owner sees variables with their values, as text, and secrets by name; others see neither.
    """
    mine = get(shown, "/spaces/ada/floating/settings", owner=True).text
    stranger = get(shown, "/spaces/ada/floating/settings").text
    for told in ("GREETING", "Hello &lt;b&gt;", "Said first", "API_KEY", "For the model"):
        assert told in mine
        assert told not in stranger
    assert "s3cr3t-value" not in mine + stranger
    assert "spacehand open ada/floating" in stranger


def test_logs_are_for_the_owner(shown: ScriptedHub) -> None:
    """
    Others are told how to sign in, and the page holds no line for them.
    """
    stranger, mine = (
        get(shown, "/spaces/ada/dictation/logs"),
        get(shown, "/spaces/ada/dictation/logs?log=build", owner=True),
    )
    assert "spacehand open ada/dictation" in stranger.text
    assert "data-log=" not in stranger.text
    assert 'data-log="/api/spaces/ada/dictation/logs/build"' in mine.text


@pytest.mark.parametrize(
    "path",
    [
        "/ada/nothing",
        "/spaces/ada/nothing",
        "/nobody",
        "/ada/tiny/tree/nope",
        "/ada/tiny/blob/main/no",
        "/a/b/c",
    ],
)
def test_what_is_not_there_is_a_page_too(shown: ScriptedHub, path: str) -> None:
    """
    404 in words, with a way back.
    """
    page = get(shown, path)
    assert page.status_code == 404
    assert "There is nothing here" in page.text
    assert 'href="/"' in page.text


@pytest.mark.parametrize("path", ["/api/nothing", "/api/nothing/at/all", "/api/models/ada/tiny/nothing"])
def test_pages_do_not_answer_for_the_api(shown: ScriptedHub, path: str) -> None:
    """
    An unknown call stays 501 in JSON, whoever asks.
    """
    answer = get(shown, path)
    assert answer.status_code == 501
    assert "error" in answer.json()


def test_a_moved_repositorys_page_moves_along(shown: ScriptedHub) -> None:
    """
    The old address leads to the new one.
    """
    api = shown.api
    api.create_repo("ada/before")
    api.move_repo("ada/before", "ada/after")
    answer = get(shown, "/ada/before/tree/main")
    assert (answer.status_code, answer.url.path) == (200, "/ada/after/tree/main")


def test_every_call_is_listed(shown: ScriptedHub) -> None:
    """
    The generated page names each route with what it does.
    """
    page = get(shown, "/-/routes").text
    assert "/api/spaces/{owner}/{name}/pause" in page
    assert "Stop the app until its owner restarts it." in page


@pytest.mark.parametrize("name", STATIC)
def test_static_files_are_found_where_pages_say(shown: ScriptedHub, name: str) -> None:
    """
    With their type, cacheable for good since the address changes with the content.
    """
    address = re.search(rf'"(/-/{re.escape(name)}\?v=[0-9a-f]+)"', get(shown, "/").text)
    assert address is not None
    answer = get(shown, address[1])
    assert answer.headers["Content-Type"].startswith(STATIC[name])
    assert "immutable" in answer.headers["Cache-Control"]


def test_script_and_pages_use_the_same_words() -> None:
    """
    A stage is called the same before and after it changes under the reader's eyes.
    """
    script = (Path(__file__).parents[3] / "src/spacehand/localhub/pages/static/page.js").read_text()
    told = dict(
        re.findall(r'([A-Z_]+): "([^"]+)"', script.partition("const WORDS = {")[2].partition("};")[0])
    )
    assert told == {stage.value: words for stage, words in _WORDS.items() if stage is not Stage.UNKNOWN}


@pytest.mark.parametrize(
    ("size", "words"), [(0, "0 B"), (999, "999 B"), (1520, "1.52 kB"), (10**6 - 1, "1 MB")]
)
def test_sizes_are_said_as_people_do(size: int, words: str) -> None:
    """
    Three digits and a decimal unit, as the Hub has it.
    """
    assert size_words(size) == words


def test_a_readme_in_a_folder_links_from_there(shown: ScriptedHub) -> None:
    """
    Relative means relative to the README, and never out of the repository.
    """
    repo = shown.hub.repos.list(search="ada/tiny")[0]
    html = rendered("[a](x.txt) [b](../y.txt) ![c](../../../z.png)", repo, "a/branch", "sub")
    assert 'href="/ada/tiny/blob/a%2Fbranch/sub/x.txt"' in html
    assert 'href="/ada/tiny/blob/a%2Fbranch/y.txt"' in html
    assert "z.png" not in html
