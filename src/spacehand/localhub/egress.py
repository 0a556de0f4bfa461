"""Where apps on this Hub may connect to."""

from __future__ import annotations

from enum import StrEnum


class Egress(StrEnum):
    """What an app reaches besides itself, spelled as it is on the command line."""

    NONE = "none"
    HUB_ONLY = "hub-only"
    WEB = "web"
    HOST = "host"

    def difference(self, who: str) -> str:
        """Return how *who* is not as on huggingface.co, where apps reach everybody's 80, 443 and 8080."""
        return f"the {who} {_DIFFERENCES[self]}"

    @property
    def container_differences(self) -> tuple[str, ...]:
        """How a container is not as on huggingface.co, whose app listens where its image says."""
        told = self.difference("container")
        return (told,) if self.has_own_network else (told, _SHARED_PORTS)

    @property
    def has_own_network(self) -> bool:
        """The app has a network of its own, with nothing in it but what is led in."""
        return self is not Egress.HOST


_SHARED_PORTS = "a port serves one Space: a new version starts when the one before has ended"
_DIFFERENCES = {
    Egress.NONE: "reaches no address, not even this Hub",
    Egress.HUB_ONLY: "reaches this Hub and no other address",
    Egress.WEB: "reaches the web through a proxy, named in `http_proxy` and `https_proxy`",
    Egress.HOST: "has this machine's network, and reaches all that your programs reach",
}
