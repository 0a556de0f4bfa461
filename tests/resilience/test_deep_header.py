"""A README that would end the Hub's process, pushed to a process of its own."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.conftest import HubProcess


def test_a_deep_header_ends_no_process(fresh_hub: HubProcess, tmp_path: Path):
    """
    Brackets in brackets, which end a process that loads them, do no harm where no rule looks: at a tag.
    """
    fresh_hub.start().api.create_repo("ada/thing")
    clone = tmp_path / "clone"
    address = f"http://ada:{fresh_hub.token}@127.0.0.1:{fresh_hub.port}/ada/thing"

    def git(*arguments: str) -> None:
        named = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org"]
        subprocess.run(["git", "-C", str(clone), *named, *arguments], check=True, capture_output=True)

    subprocess.run(["git", "clone", "-q", address, str(clone)], check=True, capture_output=True)
    (clone / "README.md").write_text(f"---\na: {'[' * 200_000}{']' * 200_000}\n---\n")
    git("add", ".")
    git("commit", "-qm", "deep")
    git("tag", "deep")
    git("push", "-q", "origin", "deep")

    assert fresh_hub.api.model_info("ada/thing", revision="deep").card_data is None
    assert fresh_hub.api.model_info("ada/thing").id == "ada/thing"
