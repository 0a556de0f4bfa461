"""Sets a Space's replicas, for which the official client has a session but no call."""

from __future__ import annotations

import time

from huggingface_hub.utils import build_hf_headers, get_session, hf_raise_for_status

from tests.conftest import HubProcess


def scale(hub: HubProcess, space: str, replicas: int) -> None:
    """Ask for so many *replicas*."""
    url = f"{hub.url}/api/spaces/{space}/replicas"
    hf_raise_for_status(
        get_session().post(url, json={"replicas": replicas}, headers=build_hf_headers(token=hub.token))
    )


def until_all_answer(hub: HubProcess, space: str, replicas: int, *, limit: float = 120) -> None:
    """Return once so many *replicas* answer, as was asked for."""
    deadline = time.monotonic() + limit
    while (told := hub.api.get_space_runtime(space).raw["replicas"]) != {
        "current": replicas,
        "requested": replicas,
    }:
        assert time.monotonic() < deadline, told
        time.sleep(0.1)
