"""A transcript as people see it: every word marked by how sure the model is, and not by colour alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

# From this confidence on, the class of a word and what the legend calls it.
BANDS = (
    (0.9, "sure", "sure", "90 % and more"),
    (0.7, "likely", "likely", "70 to 90 %"),
    (0.5, "unsure", "unsure", "50 to 70 %"),
    (0.0, "doubtful", "doubtful", "under 50 %"),
)

EMPTY = """
<section class="asr-panel asr-empty" aria-label="Transcript">
  <p class="asr-empty-mark" aria-hidden="true">&#8220;&hellip;&#8221;</p>
  <p><strong>The transcript appears here.</strong><br>Every word is marked by how sure the model is of it.</p>
</section>
"""


def panel(answer: Mapping[str, Any]) -> str:
    """Return the HTML for one answer of ``/transcribe``."""
    words = answer["words"]
    language = escape(answer["language"], quote=True)
    doubtful = sum(word["confidence"] < BANDS[1][0] for word in words)
    return f"""
<section class="asr-panel" aria-label="Transcript">
  <p class="asr-text" lang="{language}">{_marked(answer["transcript"], words)}</p>
  {_legend()}
  <dl class="asr-figures">
    {_figure("Confidence", percent(answer["confidence"]), _doubt(doubtful, len(words)))}
    {_figure("Recording", f"{answer['audio_seconds']:.1f} s", f"{len(words)} words")}
    {_figure("Took", f"{answer['seconds']:.2f} s", _pace(answer))}
  </dl>
</section>
"""


def growing(kept: str, still_open: str) -> str:
    """Return the HTML for what was said so far: *kept* stays, *still_open* may yet change."""
    text = f'{escape(kept)} <span class="asr-open">{escape(still_open)}</span>' if kept or still_open else ""
    return f"""
<section class="asr-panel asr-growing" aria-label="Transcript, growing" aria-live="off">
  <p class="asr-note"><span class="asr-dot asr-pulse" aria-hidden="true"></span> Listening</p>
  <p class="asr-text">{text or "&hellip;"}</p>
</section>
"""


def refused(why: str) -> str:
    """Return the HTML that says *why* there is no transcript."""
    return f'<section class="asr-panel asr-failed" role="alert"><p>{escape(why)}</p></section>'


def rows(answer: Mapping[str, Any]) -> str:
    """Return the HTML table of words with times and confidence."""
    lines = "".join(
        f"<tr><td>{escape(word['text'])}</td><td>{word['start']:.2f}</td><td>{word['end']:.2f}</td>"
        f'<td><span class="asr-bar" style="--share:{word["confidence"]:.3f}" aria-hidden="true"></span>'
        f"{percent(word['confidence'])}</td></tr>"
        for word in answer["words"]
    )
    note = (
        "<p>This model tells no times: these are estimated from the length of the words.</p>"
        if answer.get("word_times") == "estimated"
        else ""
    )
    return f"""{note}
<div class="asr-scroll" tabindex="0" role="region" aria-label="Words, times and confidence">
<table class="asr-words"><thead><tr><th scope="col">Word</th><th scope="col">From (s)</th>
<th scope="col">To (s)</th><th scope="col">Confidence</th></tr></thead><tbody>{lines}</tbody></table></div>
"""


def percent(share: float) -> str:
    """Return *share* for people; never 100 % for what is not quite certain."""
    return f"{min(99, round(share * 100)) if share < 1 else 100} %"


def band(confidence: float) -> str:
    """Return the class of a word of this *confidence*."""
    return next(name for least, name, _, _ in BANDS if confidence >= least)


def _marked(text: str, words: Sequence[Mapping[str, Any]]) -> str:
    """Mark each word where it stands in *text*, so that spaces and joins stay as the model wrote them."""
    pieces, position = [], 0
    for word in words:
        found = text.find(word["text"], position)
        if found < 0:
            continue
        sure = f"{word['text']}: {percent(word['confidence'])} sure, at {word['start']:.1f} s"
        pieces.append(escape(text[position:found]))
        pieces.append(
            f'<span class="asr-word asr-{band(word["confidence"])}" title="{escape(sure, quote=True)}">'
            f"{escape(word['text'])}</span>"
        )
        position = found + len(word["text"])
    return "".join(pieces) + escape(text[position:])


def _legend() -> str:
    items = "".join(
        f'<li><span class="asr-word asr-{name}">{label}</span> {span}</li>' for _, name, label, span in BANDS
    )
    return f'<ul class="asr-legend" aria-label="What the marks mean">{items}</ul>'


def _figure(name: str, value: str, note: str) -> str:
    return f"<div><dt>{name}</dt><dd>{value}<small>{note}</small></dd></div>"


def _doubt(doubtful: int, total: int) -> str:
    if not doubtful:
        return "every word likely or better"
    return f"{doubtful} of {total} words to check"


def _pace(answer: Mapping[str, Any]) -> str:
    factor = answer["seconds"] / answer["audio_seconds"]
    return f"{factor:.2f} × real time"
