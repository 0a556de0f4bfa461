"""Where apps on this Hub may connect to."""

from __future__ import annotations

from enum import StrEnum


class Egress(StrEnum):
    """What an app reaches besides itself, spelled as it is on the command line."""

    NONE = "none"
    HUB_ONLY = "hub-only"
    WEB = "web"
    HOST = "host"

    @property
    def difference(self) -> str:
        """How this is not as on huggingface.co, where apps reach the ports 80, 443 and 8080 of anybody."""
        return _DIFFERENCES[self]

    @property
    def has_own_network(self) -> bool:
        """The app has a network of its own, with nothing in it but what is led in."""
        return self is not Egress.HOST


_DIFFERENCES = {
    Egress.NONE: "the sandbox reaches no address, not even this Hub",
    Egress.HUB_ONLY: "the sandbox reaches this Hub and no other address",
    Egress.WEB: "the sandbox reaches the web through a proxy, named in `http_proxy` and `https_proxy`",
    Egress.HOST: "the sandbox has this machine's network, and reaches all that your programs reach",
}
