"""The metrics as a page: one file, no script from elsewhere, readable by people and screen readers."""

from __future__ import annotations

import html
from collections.abc import Mapping
from typing import Any

_STYLE = """
:root{color-scheme:light dark;font:16px/1.5 system-ui,sans-serif}
body{margin:0 auto;max-width:64rem;padding:1.5rem}
h1{font-size:1.5rem;margin:0}
p{margin:.25rem 0 1.5rem;color:color-mix(in srgb,currentColor 70%,transparent)}
main+p{margin-top:1.5rem}
main{display:grid;gap:1rem;grid-template-columns:repeat(auto-fill,minmax(15rem,1fr))}
section{border:1px solid color-mix(in srgb,currentColor 20%,transparent);border-radius:.75rem;padding:1rem}
h2{font-size:1rem;margin:0 0 .5rem}
dl{display:grid;grid-template-columns:1fr auto;gap:.25rem 1rem;margin:0}
dd{margin:0;text-align:right;font-variant-numeric:tabular-nums;font-weight:600}
meter{width:100%;margin-top:.5rem}
"""

# The page asks for itself: one place says how a number is written.
_SCRIPT = """
setInterval(async () => {
  if (document.hidden) return;
  try {
    const answer = await fetch(location.href, {cache: "no-store"});
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const name of ["main", "#since"])
      document.querySelector(name).replaceWith(fresh.querySelector(name));
  } catch (error) {
    document.querySelector("#since").textContent = "The app does not answer; trying again";
  }
}, 5000);
"""


def page(snapshot: Mapping[str, Any]) -> str:
    """Return *snapshot* as an HTML document that renews itself every five seconds."""
    sections = "".join(_section(*section) for section in _sections(snapshot))
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>How the app is doing</title><style>{_STYLE}</style></head><body>"
        f'<h1>How the app is doing</h1><p id="since">Running for {_duration(snapshot["uptime_s"])}</p>'
        f"<main>{sections}</main><p>The same for machines: "
        '<a href="metrics.json">metrics.json</a>, <a href="metrics">Prometheus</a></p>'
        f"<script>{_SCRIPT}</script></body></html>"
    )


def _sections(of: Mapping[str, Any]) -> list[tuple[str, list[tuple[str, str]], float | None]]:
    cache, memory, queue = of["cache"], of["memory"], of["queue"]
    requests, sessions, feedback = of["requests"], of["sessions"], of["feedback"]
    full = memory["used"] / memory["limit"] if memory["used"] and memory["limit"] else None
    sections: list[tuple[str, list[tuple[str, str]], float | None]] = [
        ("Visitors", [
            ("Here now", _count(sessions["active"])),
            ("Sessions within a day", _count(sessions["today"])),
            ("Different users within a day", _count(sessions["users_today"])),
            ("Mean stay", _duration(sessions["mean_s"])),
        ], None),
        ("Requests", [
            ("Answered", _count(requests["count"])),
            ("Failed", f"{_count(requests['errors'])} ({_percent(requests['error_rate'])})"),
            ("Half of them within", _duration(requests["p50_s"])),
            ("95 % within", _duration(requests["p95_s"])),
        ], None),
        ("Results kept", [
            ("Found again", f"{_count(cache['hits'])} ({_percent(cache['hit_rate'])})"),
            ("Computed", _count(cache["misses"])),
            ("In memory", f"{_count(cache['items'])}, {_size(cache['bytes'])}"),
            ("Dropped for others", _count(cache["evictions"])),
        ], cache["hit_rate"]),
        ("Queue", [
            ("Waiting", _count(queue["pending"])),
            ("Running", _count(queue["running"])),
            ("Failed", _count(queue["failed"])),
        ], None),
        ("Memory", [
            ("In use", _size(memory["used"])),
            ("Limit", _size(memory["limit"])),
            ("State", str(memory["state"])),
        ], full),
        ("Feedback", [
            ("Thumbs up", _count(feedback["up"])),
            ("Thumbs down", _count(feedback["down"])),
        ], None),
    ]  # fmt: skip
    own = [
        (", ".join([name, *series["labels"].values()]), _count(series.get("value", series.get("count"))))
        for name, instrument in of["instruments"].items()
        if not name.startswith("spacehand_")
        for series in instrument["series"]
    ]
    return [*sections, ("This app's own", own, None)] if own else sections


def _section(title: str, rows: list[tuple[str, str]], share: float | None) -> str:
    items = "".join(f"<dt>{html.escape(name)}</dt><dd>{html.escape(value)}</dd>" for name, value in rows)
    meter = ""
    if share is not None:
        meter = f'<meter max="1" value="{share:.3f}" aria-label="{title}">{_percent(share)}</meter>'
    return f"<section><h2>{title}</h2><dl>{items}</dl>{meter}</section>"


def _count(value: float) -> str:
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.2f}"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return "no figure yet"
    if seconds < 1:
        return f"{1000 * seconds:.0f} ms"
    if seconds < 120:
        return f"{seconds:.1f} s"
    hours, minutes = divmod(int(seconds) // 60, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


def _size(size: int | None) -> str:
    if size is None:
        return "not known"
    for unit, bytes_of_it in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= bytes_of_it:
            return f"{size / bytes_of_it:.1f} {unit}"
    return f"{size} bytes"
