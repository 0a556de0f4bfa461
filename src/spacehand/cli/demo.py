"""``spacehand demo``: a real speech model, live on this machine, and proved with a human voice."""

from __future__ import annotations

import signal
import threading
from concurrent.futures import ThreadPoolExecutor

import click

from spacehand.cli import showcase
from spacehand.cli.command import command
from spacehand.cli.ship import send
from spacehand.cli.terminal import Terminal
from spacehand.errors import UnhealthyError
from spacehand.session import Connection, connect

TEMPLATE = "voxtral-asr"
WORD_ERROR_RATE = 0.10  # at most; 0.0 was measured
_TIMEOUT = 600.0  # seconds


@command("demo")
@click.option("--once", is_flag=True, help="Return when it is proved; the Hub goes on in the background.")
def demo_command(terminal: Terminal, *, once: bool) -> None:
    """
    Ship a real speech model to a live Space on this machine, and prove it with a human recording.

    The model is OpenAI's Whisper tiny.en in CTranslate2's format. A second one, trained here from scratch, is
    published beside it: its card tells of the training. Without --once it stays up until Ctrl-C.
    """
    connection = connect("local", say=terminal.say, any_python=True)
    with ThreadPoolExecutor(max_workers=1) as meanwhile:  # while the Space is built and starts
        trained = meanwhile.submit(_publish_the_trained, connection)
        result = _ship(terminal, connection) | trained.result()
    _tell(terminal, result)
    terminal.finish(result, str(result["app_url"]))
    if not once:
        _stay(terminal, connection)


def _ship(terminal: Terminal, connection: Connection) -> dict[str, object]:
    from spacehand.deploy.ship import Shipment
    from spacehand.model.artifact import Model
    from spacehand.space.template import template

    recording = showcase.Recording.of_template(template(TEMPLATE).folder)
    shipment = Shipment(
        model=Model.open(showcase.model_folder()),
        repo=connection.repo(showcase.NAME),
        space=connection.repo(f"{showcase.NAME}-demo"),
        app=TEMPLATE,
        card=showcase.words(),
    )
    shipped = send(terminal, connection, shipment, timeout=_TIMEOUT, yes=True)
    result = shipped.to_json()
    rate = recording.word_error_rate(str(result["transcript"] or ""))
    if rate > WORD_ERROR_RATE:
        raise UnhealthyError(
            f"The app heard “{result['transcript']}”: its word error rate, {rate:.2f}, is too high",
            where=str(result["app_url"]),
            hint=f"See `spacehand logs {shipment.space}`",
        )
    return {**result, "reference": recording.text, "word_error_rate": round(rate, 4)}


def _publish_the_trained(connection: Connection) -> dict[str, object]:
    """Publish the example that was trained from scratch; no PyTorch is needed to publish."""
    from spacehand.hub.digests import Digests
    from spacehand.model.artifact import Model
    from spacehand.model.publish import publish

    model = Model.open(showcase.trained_folder())
    repo = connection.repo(showcase.TRAINED)
    with Digests.default() as digests:
        published = publish(model, repo, hub=connection.hub, digests=digests)
    return {"trained_model_url": published.url, "trained_weights_sha256": published.weights_sha256}


def _tell(terminal: Terminal, result: dict[str, object]) -> None:
    terminal.say(f"said   {result['reference']}")
    terminal.say(f"heard  {result['transcript']}")
    rate, confidence = result["word_error_rate"], result["confidence"]
    terminal.say(f"word error rate {rate:.2f}, confidence {confidence:.2f}")
    terminal.say(f"Live and proved in {result['seconds']:.1f} s")
    terminal.say("The app serves the very weights that were published")
    terminal.say(f"A card with a training in it (synthetic voices only): {result['trained_model_url']}")


def _stay(terminal: Terminal, connection: Connection) -> None:
    """Wait for Ctrl-C or SIGTERM; a Hub that this command started ends with it."""
    terminal.say("Ctrl-C ends it")
    ended = threading.Event()
    before = {kind: signal.signal(kind, lambda *_: ended.set()) for kind in (signal.SIGINT, signal.SIGTERM)}
    try:
        ended.wait()
    finally:
        for kind, handler in before.items():
            signal.signal(kind, handler)
        if connection.started is not None:
            from spacehand.localhub import server

            server.stop(connection.data)
            terminal.say("Stopped the local Hub; everything is kept for the next time")
