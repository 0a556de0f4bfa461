"""The wheel that people install, far from its source, with and without each optional library."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.environments import environment_with

from spacehand.localhub.runner.build.package_index import uv_environment

pytestmark = pytest.mark.slow

HERE = Path(__file__).parent
ALL = ("xxhash", "blake3", "numpy", "pandas", "pyarrow", "zstandard", "pillow", "matplotlib", "plotly")
# Where it is alone, a library shows that it needs no other; without any, that none is needed.
SETS = [(), *((name,) for name in ALL[:7]), ("pandas<3", "pyarrow"), ALL]
FOLDERS = ("cache", "codec", "key", "metrics")
FILES = ("attempts", "compat", "front_door", "memory_guard", "rate_limit")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    uv = Path(sys.executable).parent / "uv"
    command = [uv, "--quiet", "build", "--wheel", "--out-dir", folder, HERE.parents[1] / "runtime"]
    subprocess.run(command, env=uv_environment(), check=True)
    [wheel] = folder.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory):
    """The tests alone: no source of ours above or beside them."""
    folder = tmp_path_factory.mktemp("elsewhere")
    (folder / "tests/runtime").mkdir(parents=True)
    for name in FOLDERS:
        shutil.copytree(HERE / name, folder / "tests/runtime" / name)
    for name in FILES:
        shutil.copy(HERE / f"test_{name}.py", folder / "tests/runtime")
    (folder / "pytest.ini").write_text("[pytest]\nmarkers = slow\nfilterwarnings = error\n")
    return folder


@pytest.mark.parametrize("libraries", SETS, ids=lambda libraries: "+".join(libraries) or "none")
def test_the_wheel_passes_its_tests(wheel, elsewhere, libraries):
    """
    Each of the runtime's quick tests passes; those of a library that is not there are skipped.
    """
    python = environment_with("pytest", "hypothesis", *libraries, str(wheel))
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    found = subprocess.run(
        [python, "-c", "import spacehand_runtime as r; print(r.__file__)"],
        cwd=elsewhere,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "site-packages" in found.stdout

    command = [python, "-m", "pytest", "-q", "-x", "-m", "not slow", "-p", "no:cacheprovider", "tests"]
    done = subprocess.run(command, cwd=elsewhere, env=environment, capture_output=True, text=True)

    assert done.returncode == 0, done.stdout[-3000:]
    assert " passed" in done.stdout
