"""Static Spaces whose pages are built: ``app_build_command``."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from tests import needs
from tests.localhub.runner.workshop import Workshop, workshop

from spacehand.localhub.runner.engines._protocol import Capabilities
from spacehand.localhub.runner.engines.sandbox import SandboxEngine
from spacehand.localhub.store.place import Place
from spacehand.stage import Stage

README = "---\nsdk: static\napp_file: dist/index.html\napp_build_command: {command}\n---\n"
BUILD = """
set -e
mkdir -p dist/assets
id -u > dist/uid.txt
sed "s/WHO/$(cat who.txt)/" page.html > dist/index.html
echo "let built = true" > dist/assets/own.js
ln -s /etc/passwd dist/passwd.txt
echo "made one page"
"""
PAGE = "<!doctype html><h1>Hello WHO</h1><script src=/assets/own.js></script>"
FILES = {"build.sh": BUILD, "page.html": PAGE, "who.txt": "Ada"}


class NoSandbox(SandboxEngine):
    """A machine without bubblewrap."""

    async def capabilities(self) -> Capabilities:
        return Capabilities(works=False, why_not="bubblewrap is not installed")


def in_workshop(place: Place, story: Callable[[Workshop], Awaitable[Any]]) -> None:
    async def told() -> None:
        async with workshop(place) as shop:
            await story(shop)

    asyncio.run(told())


@pytest.mark.sandbox
def test_pages_are_built_and_served_from_beside_the_app_file(place: Place):
    """
    The command runs in the sandbox as uid 1000, says its words in the build log, and what lies beside
    ``app_file`` answers at ``/``; a link it left leads nowhere, and a restart builds nothing.
    """
    needs.bwrap()

    async def story(shop: Workshop) -> None:
        repo = shop.space()
        shop.push(repo, None, README=README.format(command="sh build.sh"), **FILES)
        runtime = await shop.until(repo, Stage.RUNNING)
        log = shop.log(repo, "build")
        assert [line for line in log.splitlines() if line.startswith("-->")] == ["--> RUN sh build.sh"]
        assert "made one page\n" in log
        assert any("`app_build_command`" in line for line in runtime["spacehand"]["differences"])
        assert "<h1>Hello Ada</h1>" in (await shop.get(repo))[1]
        assert await shop.get(repo, "/assets/own.js") == (200, "let built = true\n")
        assert await shop.get(repo, "/uid.txt") == (200, "1000\n")
        assert (await shop.get(repo, "/passwd.txt"))[0] == 404
        assert (await shop.get(repo, "/who.txt"))[0] == 404

        await shop.runner.restart(repo)
        await shop.until(repo, Stage.RUNNING)
        assert shop.log(repo, "build") == log
        assert (await shop.get(repo, "/assets/own.js"))[0] == 200

    in_workshop(place, story)


NOT_MADE = "`app_build_command` has not made `dist/index.html`"
FAILURES = {
    "sh none.sh": "Job failed with exit code: 2. Reason: sh none.sh",
    "echo nothing": NOT_MADE,
    "mkdir dist && ln -s /etc/passwd dist/index.html": NOT_MADE,
}


@pytest.mark.sandbox
def test_what_is_not_built_is_a_build_error(place: Place):
    """
    A command that fails, or makes no ``app_file`` of its own, is a BUILD_ERROR; earlier pages still answer.
    """
    needs.bwrap()

    async def story(shop: Workshop) -> None:
        repo = shop.space()
        shop.push(repo, None, README=README.format(command="sh build.sh"), **FILES)
        await shop.until(repo, Stage.RUNNING)
        for command, reason in FAILURES.items():
            shop.push(repo, None, README=README.format(command=command), **{"a.txt": command})
            await shop.runner._space(repo).settled()
            runtime = shop.runner.runtime(repo)
            assert (runtime["stage"], runtime["errorMessage"]) == ("BUILD_ERROR", reason)
            assert shop.log(repo, "build").rstrip().endswith(f"--> ERROR: {reason}")
            assert "<h1>Hello Ada</h1>" in (await shop.get(repo))[1]

    in_workshop(place, story)


def test_without_a_sandbox_no_strangers_command_runs(place: Place):
    """
    Where nothing can shut the command in, it does not run, and the error says what to install.
    """

    async def story(shop: Workshop) -> None:
        shop.sites.quarantine.engine = NoSandbox()
        repo = shop.space()
        shop.push(repo, None, README=README.format(command="sh build.sh"), **FILES)
        runtime = await shop.until(repo, Stage.BUILD_ERROR)
        assert "apt-get install bubblewrap" in runtime["errorMessage"]

    in_workshop(place, story)


@pytest.mark.slow
@pytest.mark.sandbox
def test_packages_of_node_are_installed_first(place: Place):
    """
    With a `package.json`, npm installs what the pages are built with, then runs the script that is asked for.
    """
    needs.bwrap()
    if shutil.which("npm", path="/usr/bin:/bin") is None:
        pytest.skip("npm is not installed")
    package = '{"name": "page", "version": "1.0.0", "scripts": {"build": "node build.mjs"}}'
    script = (
        'import fs from "node:fs"; fs.mkdirSync("dist");'
        'fs.writeFileSync("dist/index.html", "<h1>By node</h1>"); console.log("node made it")'
    )

    async def story(shop: Workshop) -> None:
        repo = shop.space()
        readme = README.format(command="npm run build")
        shop.push(repo, None, README=readme, **{"package.json": package, "build.mjs": script})
        await shop.until(repo, Stage.RUNNING)
        log = shop.log(repo, "build")
        assert (
            log.index("--> RUN npm install") < log.index("--> RUN npm run build") < log.index("node made it")
        )
        assert "<h1>By node</h1>" in (await shop.get(repo))[1]

    in_workshop(place, story)
