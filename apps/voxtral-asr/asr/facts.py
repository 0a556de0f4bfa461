"""What the page says about the model: what is served, or why nothing is."""

from __future__ import annotations

from html import escape

from asr import languages
from asr.engines import Engine
from asr.service import Model, Service
from asr.settings import Settings
from spacehand_runtime import RateLimit

_ABOUT = "Record or choose a file, and see how sure the model is of every word."


def heading(settings: Settings) -> str:
    """Return the top of the page."""
    about = settings.brand_description or _ABOUT
    links = "".join(
        f'<a href="{escape(address, quote=True)}" target="_blank" rel="noopener">{escape(label)}</a>'
        for label, address in settings.brand_links
    )
    nav = f'<nav aria-label="Links">{links}</nav>' if links else ""
    return f'<header class="asr-head"><h1>{escape(settings.title)}</h1><p>{escape(about)}</p>{nav}</header>'


def status(service: Service) -> str:
    """Return what the model is doing now."""
    if not service.is_settled:
        name = escape(service.settings.model_id)
        return f"""
<div class="asr-status asr-loading" role="status"><span class="asr-spinner" aria-hidden="true"></span>
<p>Loading <code>{name}</code>. You can record already: the transcript comes when it is there.</p></div>
"""
    if service.model is None:
        return _failed(service)
    engine = service.model.engine
    return f"""
<div class="asr-status asr-ready" role="status"><span class="asr-dot" aria-hidden="true"></span>
<p>You are talking to <strong>{escape(engine.model)}</strong>. {_speaks(engine)}</p></div>
"""


def served(service: Service) -> str:
    """Return the proof of what is served: the repository, its commit, and the hash of the weights."""
    if service.model is None:
        return ""
    facts = _facts(service.settings, service.model)
    rows = "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in facts)
    title = "What is served"
    return f'<section class="asr-facts" aria-label="{title}"><h2>{title}</h2><dl>{rows}</dl></section>'


def _failed(service: Service) -> str:
    return f"""
<div class="asr-status asr-failed" role="alert"><h2>No model is served</h2>
<p>{escape(service.failure or "The model could not be loaded")}</p>
<p>Nothing else is served in its place. Once the cause is gone, restart the Space.</p></div>
"""


def _speaks(engine: Engine) -> str:
    if not engine.languages:
        return "Its languages are not stated."
    if len(engine.languages) == 1:
        return f"It understands {escape(languages.name(engine.languages[0]))} only."
    return f"It understands {len(engine.languages)} languages."


def _facts(settings: Settings, model: Model) -> list[tuple[str, str]]:
    weights = model.weights
    facts = [
        ("Model", f"<code>{escape(weights.model_id)}</code>"),
        ("Revision", f"<code>{escape(weights.revision)}</code>"),
        ("Weights", f"{escape(model.engine.model)}, {weights.bytes / 1e6:.1f} MB"),
        ("SHA-256", f'<code class="asr-hash">{escape(weights.sha256)}</code>'),
        ("Engine", escape(model.engine.name)),
        ("Limits", _limits(settings)),
    ]
    if settings.subfolder:
        facts.insert(1, ("Folder", f"<code>{escape(settings.subfolder)}</code>"))
    if base := weights.base:
        facts[-2:-2] = [
            ("Base", f"<code>{escape(base.model_id)}</code> at <code>{escape(base.revision)}</code>"),
            ("Base SHA-256", f'<code class="asr-hash">{escape(base.sha256)}</code>'),
        ]
    elif settings.base_model_id:
        facts.insert(1, ("Trained from", f"<code>{escape(settings.base_model_id)}</code>"))
    return facts


def _limits(settings: Settings) -> str:
    often = "" if RateLimit.parse(settings.rate_limit) is None else f", {escape(settings.rate_limit)} each"
    return f"{settings.max_seconds:g} s of audio, {settings.timeout:g} s of work{often}"
