"""Front matter and small services over HTTP."""

from __future__ import annotations

import pytest
from huggingface_hub import HfApi, ModelCard, RepoCard
from huggingface_hub.errors import HfHubHTTPError
from starlette.testclient import TestClient

from tests.conftest import HubProcess

GOOD = "---\nlicense: mit\n---\n# Hello\n"
BAD = "---\nlicense: [1, 2\n---\n# Hello\n"


def test_a_card_is_validated_by_the_client(local_hub: HubProcess, monkeypatch: pytest.MonkeyPatch):
    """
    `ModelCard.validate` passes a good card and shows what is wrong with a bad one.
    """
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", local_hub.url)

    ModelCard(GOOD).validate()
    bad = ModelCard(GOOD)
    bad.text, bad.data.license = "", 7
    with pytest.raises(ValueError, match='"license" must be'):
        bad.validate()


def test_a_space_card_has_its_own_rules(local_hub: HubProcess, monkeypatch: pytest.MonkeyPatch):
    """
    What is wrong in a Space's header is fine in a model's.
    """
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", local_hub.url)
    card = RepoCard("---\nlicense: mit\ncolorFrom: mauve\n---\n")

    card.validate(repo_type="model")
    with pytest.raises(ValueError, match=r'"colorFrom" must be one of \[red, yellow'):
        card.validate(repo_type="space")


def test_a_commit_with_a_bad_header_is_refused(official: HfApi, name: str):
    """
    A README whose header the Hub cannot read does not get in, neither by the client's check nor past it.
    """
    official.create_repo(f"ada/{name}")

    with pytest.raises((ValueError, HfHubHTTPError), match="Invalid metadata in README"):
        official.upload_file(path_or_fileobj=BAD.encode(), path_in_repo="README.md", repo_id=f"ada/{name}")
    with pytest.warns(UserWarning, match="empty or missing yaml metadata"):
        official.upload_file(path_or_fileobj=b"# Hi", path_in_repo="README.md", repo_id=f"ada/{name}")


def test_findings_come_as_json_with_the_status(anonymous: TestClient):
    """
    Errors answer 400, warnings 200, both with the same body.
    """
    good = anonymous.post("/api/validate-yaml", json={"content": GOOD, "repoType": "model"})
    bad = anonymous.post("/api/validate-yaml", json={"content": BAD, "repoType": "model"})

    assert (good.status_code, good.json()) == (200, {"errors": [], "warnings": []})
    assert bad.status_code == 400
    assert "YAML" in bad.json()["errors"][0]["message"]
    assert anonymous.post("/api/validate-yaml", json={"content": "", "repoType": "x"}).status_code == 400


def test_what_clients_ask_in_passing_is_answered(anonymous: TestClient):
    """
    Telemetry is taken and forgotten; no harness is known.
    """
    assert anonymous.post("/api/telemetry/gradio/launch", json={}).status_code == 200
    assert anonymous.head("/api/telemetry/x").status_code == 200
    assert anonymous.get("/api/agent-harnesses").json()["harnesses"] == {}
