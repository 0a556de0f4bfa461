"""What the app's server does for its viewers, asked by Gradio's own client."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from gradio_client import Client

from tests.viewer.conftest import App

pytestmark = [pytest.mark.slow]
SESSIONS = 10


def ask(app: App, path: Path) -> dict[str, Any]:
    """Return the value that a visitor gets for the volume in *path*."""
    client = Client(app.url, download_files=False, verbose=False)
    value: dict[str, Any] = client.predict(json.dumps({"volumes": [{"path": str(path)}]}), api_name="/first")
    client.close()
    return value


def fetch(url: str) -> bytes:
    with urllib.request.urlopen(url) as answer:
        return bytes(answer.read())


def test_a_program_gets_addresses_it_can_fetch(app: App, images: Path):
    """
    The client's answer names the volume and NiiVue by addresses that give their bytes.
    """
    value = ask(app, images / "head.nii.gz")

    assert fetch(value["volumes"][0]["file"]["url"]) == (images / "head.nii.gz").read_bytes()
    assert b"Niivue" in fetch(value["module"]["url"])[-200:]


@pytest.mark.parametrize("place", ["/etc/passwd", "{static}/../_component.py", "{static}/../../secret.txt"])
def test_nothing_beside_the_bundle_is_handed_out(app: App, images: Path, place: str):
    """
    That the bundle's folder is served opens no other file.
    """
    module = ask(app, images / "head.nii.gz")["module"]["path"]
    with pytest.raises(urllib.error.HTTPError) as refused:
        fetch(f"{app.url}/gradio_api/file={place.format(static=Path(module).parent)}")

    assert refused.value.code == 403


def test_ten_visitors_of_a_large_volume_cost_the_server_little(app: App, tmp_path: Path):
    """
    Ten visitors at once who each fetch an 11 MB volume make the server grow by less than 30 MB.
    """
    import nibabel

    large = tmp_path / "large.nii"
    noise = np.random.default_rng(0).integers(0, 1000, (176, 176, 178), dtype=np.int16)
    nibabel.save(nibabel.Nifti1Image(noise, np.eye(4)), large)
    assert large.stat().st_size > 11_000_000
    fetch(ask(app, large)["volumes"][0]["file"]["url"])  # what the first visitor costs comes once
    server = psutil.Process(app.process.pid)
    before = server.memory_info().rss

    def visit(_number: int) -> int:
        return len(fetch(ask(app, large)["volumes"][0]["file"]["url"]))

    with ThreadPoolExecutor(SESSIONS) as visitors:
        sizes = list(visitors.map(visit, range(SESSIONS)))

    assert sizes == [large.stat().st_size] * SESSIONS
    assert server.memory_info().rss - before < 30_000_000
