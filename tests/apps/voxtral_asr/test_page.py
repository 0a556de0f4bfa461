"""What the page of the speech app says, without a browser."""

import re
from html.parser import HTMLParser

import pytest
from asr import facts, languages, transcript
from asr.errors import WeightsError
from asr.settings import Settings
from tests.apps.voxtral_asr.conftest import WEIGHTS, FakeEngine


class Balance(HTMLParser):
    """Checks that every element that is opened is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag, attrs):
        self.seen.append((tag, dict(attrs)))
        if tag != "br":
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def parsed(html: str) -> Balance:
    balance = Balance()
    balance.feed(html)
    assert balance.open == []
    return balance


def text(html: str) -> str:
    return re.sub(r"<[^>]+>", "", html)


def answer(service, **changes):
    return service().transcribe("a.wav", "en", "ann") | changes


def test_every_word_carries_its_confidence(service):
    """
    Colour, line and title tell it, and the text reads as the model wrote it.
    """
    html = transcript.panel(answer(service))

    spans = [attrs for tag, attrs in parsed(html).seen if tag == "span" and "title" in attrs]
    assert [(span["class"], span["title"]) for span in spans] == [
        ("asr-word asr-sure", "Open: 90 % sure, at 0.0 s"),
        ("asr-word asr-sure", "the: 100 % sure, at 0.4 s"),
        ("asr-word asr-doubtful", "door.: 40 % sure, at 0.5 s"),
    ]
    assert "Open the door." in text(html)
    assert "1 of 3 words to check" in text(html)


def test_what_was_said_is_never_markup(service):
    """
    A speaker who says (or a model that invents) HTML cannot change the page.
    """
    word = {"text": "<img", "start": 0.0, "end": 1.0, "confidence": 0.5}
    evil = answer(
        service, transcript='<img src=x onerror="alert(1)">', words=[word], language='en" onload="x'
    )

    html = transcript.panel(evil) + transcript.rows(evil)

    assert "<img" not in html
    assert not [attrs for _, attrs in parsed(html).seen if "onload" in attrs or "onerror" in attrs]


@pytest.mark.parametrize(("share", "shown"), [(1.0, "100 %"), (0.999, "99 %"), (0.5, "50 %"), (0.0, "0 %")])
def test_nearly_sure_is_not_certain(share, shown):
    """
    Rounding never makes a claim the model did not make.
    """
    assert transcript.percent(share) == shown


def test_the_page_says_what_is_served(service):
    """
    Model, commit, hash and engine are on the page, and so is what the weights say they are.
    """
    ready = service(FakeEngine(languages=("en",)), base_model_id="openai/whisper-tiny")
    ready.transcribe("a.wav", "en", "ann")

    shown = text(facts.status(ready) + facts.served(ready))

    assert "Fake tiny. It understands English only." in " ".join(shown.split())
    for fact in (WEIGHTS.model_id, WEIGHTS.revision, WEIGHTS.sha256, "fake 1.0", "openai/whisper-tiny"):
        assert fact in shown
    parsed(facts.served(ready))


def test_the_page_says_why_nothing_is_served(service):
    """
    A failed load is an alert with its cause, and no facts of a model that is not there.
    """

    def load(weights, settings):
        raise WeightsError("the file <model.bin> is damaged")

    broken = service(load=load)
    with pytest.raises(WeightsError):
        broken.transcribe("a.wav", "en", "ann")

    status = facts.status(broken)
    assert 'role="alert"' in status
    assert "the file &lt;model.bin&gt; is damaged" in status
    assert facts.served(broken) == ""


def test_while_loading_the_page_says_so(service):
    """
    A visitor who comes early knows what is awaited.
    """
    assert "Loading ada/tiny" in text(facts.status(service(started=False)))


def test_branding_is_the_owners_and_is_escaped():
    """
    Title, description and links are shown as text.
    """
    html = facts.heading(
        Settings(
            model_id="a/b",
            brand_title="A & <B>",
            brand_description="Hi",
            brand_links=(("Home", "https://x.org"),),
        )
    )

    assert "<h1>A &amp; &lt;B&gt;</h1>" in html
    assert ("a", {"href": "https://x.org", "target": "_blank", "rel": "noopener"}) in parsed(html).seen


def test_a_menu_of_one_language_has_one_entry():
    """
    Where there is nothing to choose, nothing is offered.
    """
    assert languages.choices(("en",)) == [("English", "en")]
    assert languages.choices(("de", "en"))[0] == ("Detect the language", "auto")
    assert len(languages.choices()) > 90
