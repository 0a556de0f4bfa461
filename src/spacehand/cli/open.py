"""``spacehand open``: a repository's page in the browser."""

from __future__ import annotations

import click

from spacehand.cli.command import command, to_option
from spacehand.cli.terminal import Terminal
from spacehand.errors import NotFoundError
from spacehand.ids import RepoId, RepoKind
from spacehand.session import Connection, connect


@command("open")
@click.argument("repo", required=False)
@click.option("--print", "only_print", is_flag=True, help="Print the link, and start no browser.")
@to_option
def open_command(terminal: Terminal, *, repo: str | None, only_print: bool, to: str | None) -> None:
    """
    Open the page of REPO (a Space or a model), or the Hub's own, in the browser.

    On the local Hub the link signs the browser in, once.
    """
    connection = connect(to, say=terminal.say)
    page = _page(connection, connection.repo(repo)) if repo else connection.target.endpoint
    link = _signed_in(connection, page)
    if not only_print and not terminal.json_output:
        click.launch(link)
    terminal.finish({"url": link, "page": page}, link if only_print else page)


def _page(connection: Connection, repo: RepoId) -> str:
    for kind in (RepoKind.SPACE, RepoKind.MODEL):
        if connection.hub.head(kind, repo) is not None:
            return connection.hub.page_url(kind, repo)
    raise NotFoundError(
        f"There is no Space and no model `{repo}`",
        where=connection.target.endpoint,
        hint="See what is there with `spacehand open`",
    )


def _signed_in(connection: Connection, page: str) -> str:
    if not connection.target.is_local:
        return page
    return connection.hub.sign_in_link(page)
