"""
Train, publish and deploy in one action: a callback for the Trainer of transformers.

It is the one module that needs transformers, and whoever imports it has that; nothing else of spacehand is
loaded before the training is over.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transformers import TrainerCallback

from spacehand.errors import SpacehandError

if TYPE_CHECKING:
    from spacehand.deploy.ship import Shipment, Shipped
    from spacehand.model.card.facts import CardWords
    from spacehand.session import Connection

_log = logging.getLogger("spacehand")


class ShipCallback(TrainerCallback):  # type: ignore[misc]  # transformers is not there where types are checked
    """
    When the training ends, save the model, publish it with its card, and deploy a Space that serves it.

    The weights are saved first, in the Trainer's `output_dir`, and whatever fails after that leaves them
    there: the training never fails because its demo did. :meth:`result` tells what became of it.

    *name* is the model's repository and *space* the Space, `owner/name` or a name of your own; *to* chooses
    the Hub as ``--to`` does; *app* is a template's name or an app folder; *hardware* the flavours in order of
    preference, the first that holds the model being taken; *card* says what no file says.
    """

    def __init__(
        self,
        name: str | None = None,
        *,
        space: str | None = None,
        to: str | None = None,
        app: str | Path = "voxtral-asr",
        hardware: tuple[str, ...] = (),
        card: CardWords | None = None,
    ) -> None:
        self.name, self.space, self.to, self.app = name, space, to, app
        self.hardware, self.card = hardware, card
        self.folder: Path | None = None  # where the trained model lies
        self._shipped: Shipped | None = None
        self._error: SpacehandError | None = None

    def result(self) -> Shipped:
        """
        Return the published model and the Space that was seen to serve it.

        Raises:
            SpacehandError: what stopped it; the hint says where the trained weights are.
            RuntimeError: no training has ended yet, or it ended in another process of several.
        """
        if self._error:
            raise self._error
        if self._shipped is None:
            raise RuntimeError("No training with this callback has ended in this process")
        return self._shipped

    def on_train_end(self, args: Any, state: Any, _control: Any, **said: Any) -> None:
        """Save, publish and deploy; the Trainer has loaded the best weights by now, if it was told to."""
        if not state.is_world_process_zero:
            return
        self._shipped = self._error = None
        self.folder = Path(args.output_dir)
        said["model"].save_pretrained(self.folder)
        if said.get("processing_class") is not None:
            said["processing_class"].save_pretrained(self.folder)
        state.save_to_json(str(self.folder / "trainer_state.json"))
        try:
            self._shipped = self._ship(self.folder)
        except SpacehandError as error:
            self._error = _keeping(error, self.folder)
            _log.error("%s\nhint: %s", error.message, error.hint)
        else:
            _log.warning("%s serves the model at %s", self._shipped.deployed.app_url, self.folder)

    def _ship(self, folder: Path) -> Shipped:
        from spacehand.deploy.ship import ship
        from spacehand.history import History
        from spacehand.hub.digests import Digests
        from spacehand.session import connect

        connection = connect(self.to, say=_log.info)
        with Digests.default() as digests:
            return ship(
                self._shipment(folder, connection),
                hub=connection.hub,
                history=History.default(),
                digests=digests,
                report=lambda progress: _log.info("%s: %s", progress.phase, progress.message),
            )

    def _shipment(self, folder: Path, connection: Connection) -> Shipment:
        from spacehand.deploy.ship import Shipment
        from spacehand.model.artifact import Model

        repo = connection.repo(self.name or folder.resolve().name)
        return Shipment(
            model=Model.open(folder),
            repo=repo,
            space=connection.repo(self.space or f"{repo}-demo"),
            app=self.app,
            card=self.card,
            overrides={"space": {"hardware": list(self.hardware)}} if self.hardware else {},
        )


def _keeping(error: SpacehandError, folder: Path) -> SpacehandError:
    """Return *error* with the place of the weights in its hint, and the command that goes on from there."""
    told = f"The trained model is safe in `{folder}`; go on with `spacehand ship {folder}`"
    error.hint = f"{told}. {error.hint}" if error.hint else told
    return error
