from __future__ import annotations

from typing import Any

import pytest

from spacehand.hub.rights import parse_rights

USER = {"_id": "5f", "type": "user", "name": "ada"}


def answer(**token: Any) -> dict[str, Any]:
    """What huggingface.co answers to ``whoami``."""
    return {"name": "ada", "auth": {"type": "access_token", "accessToken": {"displayName": "space", **token}}}


def fine_grained(*permissions: str, everywhere: tuple[str, ...] = ()) -> dict[str, Any]:
    scoped = [{"entity": USER, "permissions": list(permissions)}]
    rights = {"canReadGatedRepos": True, "global": list(everywhere), "scoped": scoped}
    return answer(role="fineGrained", fineGrained=rights)


@pytest.mark.parametrize(
    ("body", "may_change"),
    [
        (answer(role="read"), ()),
        (answer(role="write"), ("everything its owner may",)),
        (answer(role="god"), ("everything its owner may",)),
        ({"name": "ada", "auth": {"type": "cookie"}}, ("everything its owner may",)),
        (fine_grained("repo.content.read", "repo.access.read"), ()),
        (fine_grained("inference.serverless.write", "inference.endpoints.infer.write"), ()),
        (fine_grained("repo.content.read", "repo.write"), ("repo.write of ada",)),
        (fine_grained("inference.endpoints.write"), ("inference.endpoints.write of ada",)),
        (fine_grained(everywhere=("discussion.write",)), ("discussion.write everywhere",)),
        (answer(role="fineGrained"), ("what it does not tell",)),
    ],
)
def test_only_a_token_that_says_it_reads_is_taken_for_one(body: dict[str, Any], may_change: tuple[str, ...]):
    """
    A right to change something is found wherever it stands; what is not told counts as a right.
    """
    assert parse_rights(body).may_change == may_change
