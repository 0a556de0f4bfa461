"""A build takes wheels; what has to be built from source is shut in, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from tests import needs
from tests.localhub.runner import packages

from spacehand.localhub.runner.build.builder import Builder, BuildFailedError, Built
from spacehand.localhub.runner.build.interpreter import current
from spacehand.localhub.runner.build.layer import Layers
from spacehand.localhub.runner.build.plan import BuildPlan
from spacehand.localhub.runner.build.quarantine import Quarantine
from spacehand.localhub.runner.card import SpaceCard
from spacehand.localhub.runner.engines._protocol import Capabilities
from spacehand.localhub.runner.engines.sandbox import SandboxEngine
from spacehand.localhub.store.place import Place

CARD = SpaceCard.parse(b"---\nsdk: gradio\n---\n")
CANARY = "hf_canary0123456789"
# Reads what it should not, and writes where others would be hurt; tells how far it came.
ATTACK = """
import glob, pathlib
def attack():
    seen = []
    for path in {read}:
        try: seen.append("READ " + pathlib.Path(path).read_text()[:99])
        except OSError: pass
    for path in glob.glob("/proc/*/environ"):
        try: told = b"pa55" in pathlib.Path(path).read_bytes()
        except OSError: told = False
        if told: seen.append("CREDENTIALS")
    for path in {write} + glob.glob("/opt/venv/lib/*/site-packages/thing.py"):
        try: pathlib.Path(path).write_text("POISON"); seen.append("WROTE " + path)
        except OSError: pass
    print(seen, file=sys.stderr)
    seen.append(os.getuid())
    {end}
    return seen
"""


class NoSandbox(SandboxEngine):
    """A machine without bubblewrap."""

    async def capabilities(self) -> Capabilities:
        return Capabilities(works=False, why_not="bubblewrap is not installed")


@dataclass
class Yard:
    """One machine's packages, cache and layers, beside a Hub's token."""

    place: Place
    lines: list[str] = field(default_factory=list)
    engine: SandboxEngine = field(default_factory=SandboxEngine)
    unsafe: bool = False
    card: SpaceCard = CARD

    def __post_init__(self) -> None:
        self.links, self.cache = self.place.root.parent / "links", self.place.root.parent / "cache"
        self.links.mkdir()
        self.cache.mkdir()
        self.place.token_file.write_text(CANARY)
        packages.wheel(self.links, "thing", "X = 1")

    @property
    def builder(self) -> Builder:
        told = {
            "PATH": os.defpath,
            "HOME": str(self.place.root.parent),
            "UV_NO_INDEX": "1",
            "UV_FIND_LINKS": str(self.links),
            "UV_CACHE_DIR": str(self.cache),
            "HTTPS_PROXY": "http://ada:pa55@127.0.0.1:9",
        }
        layers = Layers(self.place.layers)
        builder = Builder(layers, self.place.layers / "solves", environment=told, unsafe=self.unsafe)
        builder.quarantine = Quarantine(self.engine, builder.uv, told, (self.place.root, Path.home()))
        return builder

    def attack(self, end: str = "") -> None:
        """Offer the package `evil`, which has no wheel."""
        read = [str(self.place.token_file), str(self.place.key_file), str(Path.home() / ".netrc")]
        write = [str(self.cache / "poison"), str(self.place.root / "poison"), str(self.links / "poison")]
        packages.source(self.links, "evil", ATTACK.format(read=read, write=write, end=end))

    def build(self, requirements: str, **more: str) -> Built:
        plan = BuildPlan(
            "c" * 40, self.card, current(), requirements, sdk_requirements=("thing==1.0",), **more
        )
        return asyncio.run(self.builder.build(plan, self.lines.append))

    @property
    def log(self) -> str:
        return "\n".join(self.lines)

    def module(self, built: Built, name: str) -> str:
        assert built.layer is not None
        return next(built.layer.venv.glob(f"lib/python*/site-packages/{name}.py")).read_text()

    def is_unharmed(self) -> bool:
        """Whether the canary is where it was and nowhere else, and nobody wrote into the cache."""
        root = self.place.root.parent
        known = packages.files_with(root, CANARY) == [self.place.token_file]
        poisoned = [path for path in packages.files_with(root, "POISON") if path.parent != self.links]
        clean = all("layers" in path.parts for path in poisoned) and not list(root.rglob("poison"))
        return known and clean and CANARY not in self.log


@pytest.fixture
def yard(place: Place) -> Yard:
    return Yard(place)


def test_wheels_are_installed_without_a_sandbox(yard: Yard):
    """
    Where everything has a wheel no sandbox is needed, and the files are shared with uv's cache.
    """
    yard.engine = NoSandbox()
    built = yard.build("thing")
    assert yard.module(built, "thing") == "X = 1"
    assert built.layer is not None
    assert next(built.layer.venv.glob("lib/python*/site-packages/thing.py")).stat().st_nlink > 1
    assert yard.build("thing").layer == built.layer
    assert yard.lines[-2] == "CACHED"


def test_gradio_that_nobody_chose_is_told(yard: Yard):
    """
    Without an `sdk_version` the version that was taken is a difference, for another Hub may take another.
    """
    packages.wheel(yard.links, "gradio", "X = 1")
    assert yard.build("gradio").differences[0] == (
        "README names no sdk_version: this Hub took Gradio 1.0; huggingface.co may take another"
    )
    yard.card = SpaceCard.parse(b"---\nsdk: gradio\nsdk_version: 1.0\n---\n")
    assert yard.build("gradio").differences == ()


@pytest.mark.sandbox
@pytest.mark.parametrize("where", ["requirements", "pre_requirements"])
def test_a_strangers_build_sees_and_changes_nothing_of_ours(yard: Yard, where: str):
    """
    A malicious source distribution runs as uid 1000 without the Hub's token, the index's password, or a way
    to write into uv's cache; all it can harm is the layer that asked for it.
    """
    needs.bwrap()
    yard.attack()
    built = yard.build("evil") if where == "requirements" else yard.build("", pre_requirements="evil")
    seen = yard.module(built, "evil")
    assert seen == f"SEEN = ['WROTE /opt/venv/lib/python{current().minor}/site-packages/thing.py', 1000]"
    assert "[spacehand] `evil`: built from source, in a sandbox with a network" in yard.log
    assert yard.is_unharmed()
    assert yard.module(yard.build("thing==1.0"), "thing") == "X = 1"


@pytest.mark.sandbox
def test_a_build_that_fails_tells_no_secret(yard: Yard):
    """
    What a failing build script prints is shown, and holds nothing of the Hub's.
    """
    needs.bwrap()
    yard.attack(end="raise SystemExit('I give up')")
    with pytest.raises(BuildFailedError, match="Job failed with exit code: 1"):
        yard.build("evil")
    assert "I give up" in yard.log
    assert yard.is_unharmed()
    assert [path.name for path in yard.place.layers.iterdir() if path.name != "solves"] == []


@pytest.mark.parametrize("requirement", ["evil==1.0", "thing @ git+https://git.example/thing", "./evil"])
def test_without_a_sandbox_nothing_is_built_from_source(yard: Yard, requirement: str):
    """
    On a machine without bubblewrap such a build is refused, and the refusal says what to install.
    """
    yard.engine = NoSandbox()
    yard.attack()
    with pytest.raises(BuildFailedError, match=r"bubblewrap is not installed\. Install bubblewrap") as failed:
        yard.build(requirement)
    assert f"`{requirement.removesuffix('==1.0')}` has to be built from source" in failed.value.message
    assert failed.value.message in yard.log
    assert yard.is_unharmed()


def test_a_hub_told_so_builds_from_source_without_a_sandbox(yard: Yard):
    """
    --unsafe-builds lets the build script run as the Hub's user, and the log says that it does.
    """
    yard.engine, yard.unsafe = NoSandbox(), True
    packages.source(yard.links, "plain", "def attack():\n    return 'built'")
    assert yard.module(yard.build("plain"), "plain") == "SEEN = 'built'"
    assert "[spacehand] `plain`: built from source, on this machine, as --unsafe-builds allows" in yard.log


@pytest.mark.sandbox
@pytest.mark.parametrize("line", ["-r {token}", "-c {token}", "thing @ http://x/${{HTTPS_PROXY}}/a.whl"])
def test_requirements_cannot_name_what_is_the_hubs(yard: Yard, line: str):
    """
    A requirements file that includes the Hub's token, or the password of its index, gets neither.
    """
    needs.bwrap()
    with pytest.raises(BuildFailedError):
        yard.build(line.format(token=yard.place.token_file))
    assert yard.is_unharmed()
    assert "pa55" not in yard.log


def test_another_index_makes_another_layer(yard: Yard):
    """
    A Space with an index of its own shares no layer with one that takes the same versions from elsewhere.
    """
    plain = BuildPlan("c" * 40, CARD, current(), "thing")
    other = BuildPlan("c" * 40, CARD, current(), "--extra-index-url https://x.example/simple\nthing")
    assert plain.layer_key("thing==1.0") != other.layer_key("thing==1.0")
