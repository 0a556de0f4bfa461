"""Says which GPU the Space has; an app of yours takes the place of this page."""

from __future__ import annotations

import hmac
import html
import json
import os
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import gpu

DEVICE = os.environ.get("DEVICE", "auto")  # a variable: everybody may see it
REPORT_KEY = os.environ.get("REPORT_KEY", "")  # a secret: compared here, and shown nowhere
MACHINE = {"Space": "SPACE_ID", "Hardware": "ACCELERATOR", "Processors": "CPU_CORES", "Memory": "MEMORY"}
PAGE = Path(__file__).with_name("page.html")


def look() -> tuple[list[gpu.Gpu], str]:
    """Return the GPUs to use, and in words what was found."""
    if DEVICE == "cpu":
        return [], "No GPU is used: the variable DEVICE says cpu"
    try:
        found = gpu.find()
    except gpu.NoGpuError as error:
        return [], f"No GPU: {error}. Everything runs on the processor"
    return found, ", ".join(f"{one.name} with {one.memory / 2**30:.0f} GiB" for one in found)


GPUS, FOUND = look()


class Handler(BaseHTTPRequestHandler):
    """Answers with the page, the same as JSON, and the report."""

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path == "/healthz":
            self.answer(200, "application/json", json.dumps({"status": "ok"}))
        elif path == "/api/gpu":
            self.answer(
                200, "application/json", json.dumps({"gpus": [vars(one) for one in GPUS], "found": FOUND})
            )
        elif path == "/api/report":
            self.report()
        elif path == "/":
            self.answer(200, "text/html; charset=utf-8", page())
        else:
            self.answer(404, "text/plain; charset=utf-8", "There is nothing here\n")

    def report(self) -> None:
        """Answer with the driver's devices, for whoever knows the key."""
        sent = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if not REPORT_KEY or not hmac.compare_digest(sent.encode(), REPORT_KEY.encode()):
            self.answer(403, "text/plain; charset=utf-8", "The report needs the key\n")
            return
        devices = sorted(str(path) for path in Path("/dev").glob("nvidia*"))
        self.answer(200, "application/json", json.dumps({"found": FOUND, "devices": devices}))

    def answer(self, status: int, kind: str, text: str) -> None:
        """Send *text*."""
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def page() -> str:
    """Return the page, filled in."""
    rows = {label: os.environ.get(name, "not told") for label, name in MACHINE.items()}
    rows |= {"Variable DEVICE": DEVICE, "Secret REPORT_KEY": "set" if REPORT_KEY else "not set"}
    listed = "".join(f"<dt>{html.escape(k)}</dt><dd>{html.escape(v)}</dd>" for k, v in rows.items())
    word = "Yes" if GPUS else "No"
    return (
        PAGE.read_text("utf-8")
        .replace("{{word}}", word)
        .replace("{{found}}", html.escape(FOUND))
        .replace("{{rows}}", listed)
    )


sys.stdout.write(f"GPU: {FOUND}\n")
sys.stdout.flush()
ThreadingHTTPServer(("0.0.0.0", 7860), Handler).serve_forever()
