"""Builds and runs the Spaces of one Hub."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spacehand.localhub.hub import LocalHub
    from spacehand.localhub.repos.store import Repo
    from spacehand.localhub.runner.logs import LogEntry

# One table of each for all Spaces; `hub.py` passes it to the Database.
schema = ""


class Runner:
    """
    Every Space's builder, app process and stage.

    Made before the server's event loop runs; `start` and `stop` frame its life inside the loop.
    """

    def __init__(self, hub: LocalHub) -> None:
        self._hub = hub

    async def start(self) -> None:
        """End what a killed Hub left behind, and bring every Space back to where it should be."""

    async def stop(self) -> None:
        """Stop all apps and builds; the Spaces come back at the next `start`."""

    def pushed(self, repo: Repo, branch: str, sha: str) -> None:
        """Build *sha* if *branch* is a Space's ``main``; callable from any thread, returns at once."""

    def runtime(self, repo: Repo) -> dict[str, Any]:
        """Return the runtime as the Hub's API spells it, with a key ``spacehand`` of our own."""
        return {"stage": "NO_APP_FILE", "hardware": {"current": None, "requested": "cpu-basic"}}

    def describe(self, repo: Repo) -> dict[str, Any]:
        """Return ``sdk``, ``subdomain``, ``host`` and ``runtime``, as space_info shows them."""
        return {
            "sdk": "gradio",
            "subdomain": repo.id.subdomain,
            "host": self.app_url(repo),
            "runtime": self.runtime(repo),
        }

    def app_url(self, repo: Repo) -> str:
        """Return the Space's own loopback URL."""
        return ""

    async def pause(self, repo: Repo) -> None:
        """Stop the app until `restart`."""

    async def restart(self, repo: Repo, *, factory: bool = False) -> None:
        """Start the app anew, waking or resuming it; *factory* also builds it anew, without its layer."""

    async def wake(self, repo: Repo) -> None:
        """Start a sleeping app, and return when it answers or has failed; does nothing to others."""

    async def settings_changed(self, repo: Repo, *, rebuild: bool = False) -> None:
        """Restart the app with the settings as they are now; a paused or sleeping one stays so."""

    async def delete(self, repo: Repo) -> None:
        """Stop the app and remove what the runner kept of it."""

    def renamed(self, before: Repo, after: Repo) -> None:
        """Go on under the new name; the app restarts with it in its environment."""

    async def logs(self, repo: Repo, kind: str) -> AsyncIterator[LogEntry]:
        """Yield every line kept of the ``build`` or ``run`` log in stable order, then each new one."""
        return
        yield

    async def events(self, repo: Repo) -> AsyncIterator[dict[str, Any]]:
        """Yield the runtime as it is now, then each time it changes."""
        yield self.runtime(repo)
