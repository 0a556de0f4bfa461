"""The rules of accounts, tokens and sessions."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from spacehand.localhub.accounts.store import (
    LINK_SECONDS,
    SCHEMA,
    SESSION_SECONDS,
    Accounts,
    valid_account_name,
)
from spacehand.localhub.errors import HubError
from spacehand.localhub.store.database import Database


class Clock:
    """A time that tests set."""

    def __init__(self) -> None:
        self.time = 1_000_000.0

    def __call__(self) -> float:
        return self.time


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def accounts(tmp_path: Path, clock: Clock) -> Accounts:
    return Accounts(Database(tmp_path / "db", [SCHEMA]), tmp_path / "token", owner="ada", clock=clock)


def code_of(link: str) -> str:
    return link.removeprefix("/sign-in/").partition("?")[0]


def test_the_first_start_makes_the_owner(accounts: Accounts, tmp_path: Path):
    """
    The owner's token has the official form, and is the owner's with the right to write.
    """
    token = (tmp_path / "token").read_text().strip()

    assert re.fullmatch(r"hf_[A-Za-z0-9]{34}", token)
    assert accounts.caller(token).name == "ada"
    assert accounts.caller(token).can_write("ADA")


def test_later_starts_keep_the_owner(accounts: Accounts, tmp_path: Path):
    """
    A Hub's owner stays the same, whatever name a later start gives; so does the token.
    """
    before = (tmp_path / "token").read_text()

    again = Accounts(Database(tmp_path / "db", [SCHEMA]), tmp_path / "token", owner="eve")

    assert again.owner == "ada"
    assert (tmp_path / "token").read_text() == before


def test_a_lost_token_file_is_made_anew(accounts: Accounts, tmp_path: Path):
    """
    Who deletes the token file gets a fresh token at the next start.
    """
    (tmp_path / "token").unlink()

    again = Accounts(Database(tmp_path / "db", [SCHEMA]), tmp_path / "token", owner="ada")

    assert again.caller((tmp_path / "token").read_text().strip()).name == "ada"


def test_values_are_nowhere_in_the_database(accounts: Accounts, tmp_path: Path):
    """
    Tokens, links and cookies are kept as hashes only.
    """
    token = accounts.add_token("ada")
    link = accounts.one_time_link()
    cookie = accounts.sign_in(code_of(link))

    kept = b"".join(file.read_bytes() for file in tmp_path.glob("db*"))

    assert not [value for value in (token, code_of(link), cookie) if value.encode() in kept]


def test_links_and_sessions_end(accounts: Accounts, clock: Clock):
    """
    A link works for minutes, a session for days.
    """
    late, used = accounts.one_time_link(), accounts.one_time_link()
    cookie = accounts.sign_in(code_of(used))
    clock.time += LINK_SECONDS

    with pytest.raises(HubError, match="too old"):
        accounts.sign_in(code_of(late))
    assert accounts.session(cookie).name == "ada"
    assert not accounts.session(cookie).can_write("ada")
    clock.time += SESSION_SECONDS
    assert accounts.session(cookie).name is None


@pytest.mark.parametrize(
    ("login", "name"),
    [
        ("ada", "ada"),
        ("Ada Lovelace", "Ada-Lovelace"),
        ("a.b_c", "a-b-c"),
        ("--x--", "x"),
        ("日本", "you"),
        ("", "you"),
        ("spaces", "spaces-1"),
        ("API", "API-1"),
        ("x" * 60, "x" * 40),
    ],
)
def test_any_login_name_becomes_a_valid_account_name(login: str, name: str):
    """
    An account's name can be part of an address and is none of the Hub's own words.
    """
    assert valid_account_name(login) == name
    assert valid_account_name(name) == name


def test_names_are_the_same_in_any_case(accounts: Accounts):
    """
    `Ada` is `ada`; there are no two of them.
    """
    assert accounts.add_user("ADA").name == "ada"
    assert accounts.account("aDa").name == "ada"


def test_members_write_in_their_organisation(accounts: Accounts):
    """
    A member may write what is the organisation's; others may not.
    """
    accounts.add_user("bob")
    accounts.add_organization("lab", ["ada"])

    assert accounts.caller(accounts.add_token("ada")).can_write("Lab")
    assert not accounts.caller(accounts.add_token("bob")).can_write("lab")
    assert [member.name for member in accounts.members("lab")] == ["ada"]
