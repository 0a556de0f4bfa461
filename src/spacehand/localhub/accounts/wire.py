"""Accounts as the official client expects them in JSON."""

from __future__ import annotations

from spacehand.localhub.accounts.store import Account, Accounts, Caller, Token
from spacehand.localhub.wire_time import from_unix

_AVATAR = "/static/avatar.svg"


def whoami(accounts: Accounts, caller: Caller, name: str) -> dict[str, object]:
    """Answer of ``/api/whoami-v2``."""
    account = accounts.account(name)
    return {
        "type": "user",
        "id": account.name,
        "name": account.name,
        "fullname": account.full_name,
        "email": f"{account.name}@users.noreply.localhost",
        "emailVerified": True,
        "isPro": False,
        "canPay": False,
        "periodEnd": None,
        "avatarUrl": _AVATAR,
        "orgs": [_membership(organization) for organization in accounts.organizations(account.name)],
        "auth": _auth(caller.token),
    }


def user(account: Account) -> dict[str, object]:
    """One user in a list."""
    return {
        "_id": account.name,
        "user": account.name,
        "fullname": account.full_name,
        "isPro": False,
        "avatarUrl": _AVATAR,
        "type": "user",
    }


def overview(account: Account, counts: dict[str, int]) -> dict[str, object]:
    """A user's or an organisation's page; *counts* are ``numModels`` and so on."""
    shown = {
        "name": account.name,
        "fullname": account.full_name,
        "avatarUrl": _AVATAR,
        "createdAt": from_unix(account.created),
        **counts,
    }
    if account.kind == "org":
        return shown | {"type": "org", "isVerified": False}
    return shown | {
        "type": "user",
        "user": account.name,
        "isPro": False,
        "numFollowers": 0,
        "numFollowing": 0,
    }


def token(known: Token) -> dict[str, object]:
    """A token in a list: never its value."""
    return {
        "id": known.sha256[:16],
        "name": known.name,
        "role": known.role,
        "repos": None if known.repos is None else sorted(known.repos),
        "createdAt": from_unix(known.created),
    }


def _membership(organization: Account) -> dict[str, object]:
    return {
        "type": "org",
        "id": organization.name,
        "name": organization.name,
        "fullname": organization.full_name,
        "email": None,
        "avatarUrl": _AVATAR,
        "roleInOrg": "admin",
        "isEnterprise": False,
        "canPay": False,
        "periodEnd": None,
    }


def _auth(known: Token | None) -> dict[str, object]:
    if known is None:
        return {"type": "cookie"}
    described: dict[str, object] = {
        "displayName": known.name,
        "role": known.role,
        "createdAt": from_unix(known.created),
    }
    if known.repos is not None:
        described["fineGrained"] = {
            "canReadGatedRepos": False,
            "global": [],
            "scoped": [_scope(repo) for repo in sorted(known.repos)],
        }
    return {"type": "access_token", "accessToken": described}


def _scope(repo: str) -> dict[str, object]:
    rights = ["repo.content.read", "repo.write"]
    return {"entity": {"_id": repo, "type": "model", "name": repo}, "permissions": rights}
